"""Filters that remember what they have seen of each problem; a run that goes on from a checkpoint remembers it, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rlvr.algo.filters import BBG, Filter, SolvedGreedily, expected_gain
from rlvr.types import Problem


@dataclass(frozen=True)
class RetireSolved(Filter):
    """Leave a problem out for some epochs of the pool after all rollouts of its group were right. Source: ours.

    An epoch is a turn: every problem of the pool has one before any has two, so a pool of any size is as fresh when the
    problem comes back. When all are out, batches are small or empty until turns are over.

    Attributes:
        epochs: Turns that a solved problem misses.
        left: Turns that each problem has still to miss, by id.
    """

    epochs: int = 1
    left: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def before(self, problems: Sequence[Problem], solved_greedily: SolvedGreedily) -> list[Problem]:
        """Those that are not left out; the others have missed a turn."""
        stay = [problem for problem in problems if problem.id not in self.left]
        for problem in problems:
            if problem.id in self.left:
                self._miss_a_turn(problem.id)
        return stay

    def weigh(self, problem_ids: Sequence[str], success_P: Tensor, group_size: int) -> Tensor:
        """1; what is solved stays away from now on."""
        solved = (success_P == group_size).tolist()
        self.left.update({name: self.epochs for name, done in zip(problem_ids, solved, strict=True) if done})
        return self.after(success_P, group_size)

    def _miss_a_turn(self, name: str) -> None:
        self.left[name] -= 1
        if not self.left[name]:
            del self.left[name]

    def state_dict(self) -> dict[str, Any]:
        """Turns to miss."""
        return {"left": dict(self.left)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting turns."""
        _replace(self.left, state.get("left", {}))


@dataclass(frozen=True)
class BBGPosterior(BBG):
    """BBG that also counts a problem's earlier groups, the older the less. Source: ours, after arXiv 2606.15455.

    The gain is E[k (1-p)^(k-1)] under p ~ Beta(1+s, 1+f), where s and f are this group's successes and failures plus
    `discount` times what they were at the problem's last visit. So a problem that was solved often needs more than one
    bad group to pass again. The threshold stays tau (n+1), n being the size of one group. Without discount it is BBG.

    Attributes:
        discount: What a group counts at the next visit, and its square at the one after; 0: nothing.
        counts: s and f of each problem at its last visit, by id.
    """

    discount: float = 0.5
    counts: dict[str, tuple[float, float]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def weigh(self, problem_ids: Sequence[str], success_P: Tensor, group_size: int) -> Tensor:
        """By the gain under what was seen before and this group, which is remembered."""
        earlier = [self.counts.get(name, (0.0, 0.0)) for name in problem_ids]
        earlier_P2 = torch.tensor(earlier, dtype=torch.float64).reshape(len(earlier), 2)
        right_P = success_P.to(torch.float64)
        counts_P2 = torch.stack([right_P, group_size - right_P], dim=1) + self.discount * earlier_P2
        self.counts.update({name: (s, f) for name, (s, f) in zip(problem_ids, counts_P2.tolist(), strict=True)})
        return self.by_gain(expected_gain(counts_P2[:, 0], counts_P2[:, 1], self.k), group_size)

    def state_dict(self) -> dict[str, Any]:
        """Counts, as lists, which any format can hold."""
        return {"counts": {name: list(counts) for name, counts in self.counts.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        _replace(self.counts, {name: (s, f) for name, (s, f) in state.get("counts", {}).items()})


def _replace(memory: dict[str, Any], by: Mapping[str, Any]) -> None:
    memory.clear()
    memory.update(by)
