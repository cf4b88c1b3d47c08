"""What a walk through the rooms brings: all that an optimizer step, its metrics and its samples are made of."""

from dataclasses import dataclass

from torch import Tensor

from rlvr.types import Group

# A round draws at most this many times what is missing, however little the filter let through.
MAX_OVERDRAW = 8


def rate(part: int, whole: int) -> float:
    """Part that a filter lets through, as the next draw reckons with it."""
    return max(part / max(whole, 1), 1 / MAX_OVERDRAW)


@dataclass(frozen=True)
class Walk:
    """What one walk through the rooms brought.

    Attributes:
        groups: Every group sampled, P of them, kept or not.
        weight_P: The filter's weight; 0 for gated groups and for those beyond a full batch.
        advantage_PG: Masked and weighted advantages; 0 carries no gradient.
        drawn: Problems drawn, those dropped before sampling included.
        rounds: Rounds of drawing.
        version: Policy version that sampled.
        greedy_tokens: Completion tokens of the greedy answers that the filter asked for, of this rank's.
    """

    groups: tuple[Group, ...]
    weight_P: Tensor
    advantage_PG: Tensor
    drawn: int
    rounds: int
    version: int
    greedy_tokens: int
