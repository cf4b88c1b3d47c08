"""Filters: which problems may update the policy, decided before sampling, after grading, or both.

Those that remember what they have seen stand in `remembering`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from rlvr.types import Problem

SolvedGreedily = Callable[[Sequence[Problem]], Sequence[bool]]


@dataclass(frozen=True)
class Filter:
    """Keeps every problem; the base of the others, which override `before`, `after` or both.

    Every rank has the same filter and calls it alike, with the problems and outcomes of all ranks in the order drawn:
    it must answer the same everywhere, and what it remembers is then the same, too, on however many ranks.

    Attributes:
        name: The field's name for it.
        refill: Draw further problems until the batch is full again.
        max_rounds: Rounds of drawing before the step goes on with what there is.
    """

    name: str = "none"
    refill: bool = False
    max_rounds: int = 1

    def before(self, problems: Sequence[Problem], solved_greedily: SolvedGreedily) -> list[Problem]:
        """The problems worth sampling, of those whose turn it is. If too many pass, the rest get another turn.

        `solved_greedily` decodes one greedy answer each with the current policy, all ranks together.
        """
        return list(problems)

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """Weight of each sampled problem given its m successes among n = `group_size`; 0 drops it."""
        return torch.ones(len(success_P))

    def weigh(self, problem_ids: Sequence[str], success_P: Tensor, group_size: int) -> Tensor:
        """As `after`, with the problems' ids: here a filter with a memory reads it and adds to it."""
        return self.after(success_P, group_size)

    def state_dict(self) -> dict[str, Any]:
        """What it remembers, in plain numbers, for an exact resume; nothing here."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` gave, and nothing else."""


@dataclass(frozen=True)
class SELF(Filter):
    """Learn only on problems whose greedy answer is wrong. Source: arXiv 2510.02230 (code; the refill is ours)."""

    def before(self, problems: Sequence[Problem], solved_greedily: SolvedGreedily) -> list[Problem]:
        """Drop what the current policy already solves at temperature 0."""
        solved = solved_greedily(problems)
        return [problem for problem, done in zip(problems, solved, strict=True) if not done]


def marginal_gain(success_P: Tensor, n: int, k: int) -> Tensor:
    """Expected marginal gain in Pass@k of a problem with m successes among n, uniform prior on its success rate.

    u(m; n, k) = E[k (1-p)^(k-1)] = k * prod_{j=1}^{k-1} (n-m+j) / (n+1+j); sums to n+1 over m = 0..n.
    Source: arXiv 2606.15455, Eq. 8 (second-hand, with the check value u(0; 8, 16) = 6.0).
    """
    right_P = success_P.to(torch.float64)
    return expected_gain(right_P, n - right_P, k)


def expected_gain(right_P: Tensor, wrong_P: Tensor, k: int) -> Tensor:
    """E[k (1-p)^(k-1)] under p ~ Beta(1 + right, 1 + wrong) = k * prod_{j=1}^{k-1} (wrong+j) / (right+wrong+1+j).

    Counts are float64 and need not be whole.
    """
    j_J = torch.arange(1, k, dtype=torch.float64)
    seen_P1 = (right_P + wrong_P)[:, None]
    return k * torch.prod((wrong_P[:, None] + j_J) / (seen_P1 + 1 + j_J), dim=1)


@dataclass(frozen=True)
class BBG(Filter):
    """Gate each problem by its share of the marginal gain in Pass@k. Source: arXiv 2606.15455, Eq. 9 (second-hand).

    A problem is dropped iff u(m) < tau (n+1), that is when its share of the utility summed over m is below tau.
    With n=8, k=16, tau=0.01, m = 0..3 stay. The paper also weighs updates "accordingly": by `share`, says a reader;
    whether m = 0, which weighs 2.875 then, is capped at 1 is not known. `gate`, the default, and the cap are ours.

    Attributes:
        k: The k of the Pass@k that is to grow.
        tau: Smallest part of the gain that passes.
        weighting: `gate` weighs what passes 1, `share` u(m)/u(1) and at most 1, `share_uncapped` u(m)/u(1).
    """

    k: int = 16
    tau: float = 0.01
    weighting: Literal["gate", "share", "share_uncapped"] = "gate"

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """0 for gated problems, else 1 or the gain's ratio."""
        return self.by_gain(marginal_gain(success_P, group_size, self.k), group_size)

    def by_gain(self, gain_P: Tensor, group_size: int) -> Tensor:
        """Weights of problems that promise these gains."""
        stays_P = gain_P >= self.tau * (group_size + 1)
        if self.weighting == "gate":
            return stays_P.float()
        share_P = gain_P / marginal_gain(torch.ones(1), group_size, self.k)
        if self.weighting == "share":
            share_P = share_P.clamp(max=1.0)
        return (stays_P * share_P).float()


@dataclass(frozen=True)
class Dynamic(Filter):
    """Keep problems with both right and wrong rollouts. Source: DAPO, arXiv 2503.14476 (second-hand)."""

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where 0 < m < n."""
        return ((success_P > 0) & (success_P < group_size)).float()


@dataclass(frozen=True)
class ZeroSuccess(Filter):
    """Keep only problems that no rollout solved. Source: arXiv 2606.15455's intervention (second-hand).

    Group-normalised advantages are 0 there: use a loss that learns from m = 0, such as nsr.
    """

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where m = 0."""
        return (success_P == 0).float()


@dataclass(frozen=True)
class MaskEasy(Filter):
    """Drop problems that most rollouts solved. Source: arXiv 2606.15455's masking baseline (second-hand).

    Attributes:
        from_rate: Success rate m/n from which a problem is dropped; the paper's is 6 of 8.
    """

    from_rate: float = 0.75

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where m/n is below `from_rate`."""
        return (success_P / group_size < self.from_rate).float()


@dataclass(frozen=True)
class RateWeight(Filter):
    """Weigh problems by p^a (1-p)^b with p = m/n. Source: ours; its corners m/n and 1 - m/n tell GRPO-N from GRPO.

    Attributes:
        right: a; 0 leaves the factor out.
        wrong: b, likewise.
    """

    right: float = 0.0
    wrong: float = 1.0

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """The weight; 0 drops a problem, as m = 0 with a > 0."""
        rate_P = success_P / group_size
        return rate_P**self.right * (1 - rate_P) ** self.wrong
