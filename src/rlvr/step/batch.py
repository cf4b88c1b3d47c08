"""What one rollout step brings: all that optimizer steps, metrics and sample tables are made of."""

from dataclasses import dataclass

from torch import Tensor

from rlvr.types import Group, Problem


@dataclass(frozen=True)
class RolloutBatch:
    """Groups sampled at one policy version, this rank's part of them.

    Attributes:
        groups: Every group sampled, P of them, selected or not.
        weight_P: The filter's weight; 0 for groups that it dropped and for those beyond a full batch.
        advantage_PG: Masked and weighted advantages; 0 carries no gradient.
        place_P: Place of each selected group among those that all ranks selected, in the order drawn; -1 for others.
        selected: Groups that all ranks selected.
        drawn: Problems drawn by all ranks, those dropped before sampling included.
        rounds: Rounds of drawing.
        version: Policy version that sampled.
        skipped: Problems drawn that were not sampled, since a filter dropped them before or stored answers stand for
            them; of all ranks, in the order drawn.
        greedy_tokens: Completion tokens of the greedy answers that the filter asked for, of this rank's.
    """

    groups: tuple[Group, ...]
    weight_P: Tensor
    advantage_PG: Tensor
    place_P: Tensor
    selected: int
    drawn: int
    rounds: int
    version: int
    greedy_tokens: int
    skipped: tuple[Problem, ...] = ()

    def learned_from(self) -> list[str]:
        """Ids of this rank's problems with an advantage other than 0."""
        live_P = (self.advantage_PG != 0).any(dim=1).tolist()
        return [group.problem.id for group, live in zip(self.groups, live_P, strict=True) if live]
