"""A loss is four independent choices; every published method here is one point in that grid."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes
from rlvr.algo.aggregation import Aggregation
from rlvr.algo.surrogates import Surrogate

Keep = Literal["all", "positive", "negative"]


@dataclass(frozen=True)
class Loss:
    """advantage x sign x surrogate x aggregation.

    Attributes:
        name: The field's name for this point in the grid.
        advantage: See `advantages`.
        keep: Sign of the advantages that keep their gradient; the rest become 0 after the group's statistics
            were taken over all of it (GRPO-N and GSPO-N, arXiv 2510.04028: mask second-hand, rest ours).
        surrogate: See `surrogates`.
        aggregation: See `aggregation`.
        min_group: Smallest group size G at which the advantage is defined.
    """

    name: str
    advantage: Callable[[Outcomes], Tensor]
    keep: Keep
    surrogate: Surrogate
    aggregation: Aggregation
    min_group: int = 1

    def advantages(self, outcomes: Outcomes, weight_P: Tensor) -> Tensor:
        """Masked advantages [P, G], each group scaled by the filter's weight; 0 carries no gradient."""
        advantage_PG = self.advantage(outcomes)
        if self.keep != "all":
            sign = 1.0 if self.keep == "positive" else -1.0
            advantage_PG = torch.where(sign * advantage_PG <= 0, 0.0, advantage_PG)  # keeps what is no number
        # A group that weighs nothing is not learned from, even if its reward is no number.
        return torch.where(weight_P[:, None] > 0, advantage_PG * weight_P[:, None], 0.0)
