"""A loss is five independent choices; every published method here is one point in that grid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes
from rlvr.algo.aggregation import Aggregation
from rlvr.algo.shaping import Shaping
from rlvr.algo.surrogates import Surrogate

Signs = Mapping[str, float] | Literal["all"]
"""What `positive` and `negative` advantages are multiplied by; `all`: both stay as they are."""


@dataclass(frozen=True)
class Loss:
    """shaping x advantage x sign x surrogate x aggregation.

    Attributes:
        name: The field's name for this point in the grid.
        advantage: See `advantages`.
        signs: What each sign's advantages are multiplied by, after the group's statistics were taken over all of it;
            0 leaves a sign out (GRPO-N and GSPO-N, arXiv 2510.04028: mask second-hand, rest ours).
        surrogate: See `surrogates`.
        aggregation: See `aggregation`.
        min_group: Smallest group size G at which the advantage is defined.
        shaping: What rewards become before the advantage; None: they stay. See `shaping`.
    """

    name: str
    advantage: Callable[[Outcomes], Tensor]
    signs: Signs
    surrogate: Surrogate
    aggregation: Aggregation
    min_group: int = 1
    shaping: Shaping | None = None

    def advantages(self, outcomes: Outcomes, weight_P: Tensor) -> Tensor:
        """Masked advantages [P, G], each group scaled by the filter's weight; 0 carries no gradient.

        A group that weighs nothing takes no part: it is not learned from, even if its reward is no number, and what an
        advantage compares with the batch is without it.
        """
        chosen_P = weight_P > 0
        advantage_PG = torch.zeros_like(outcomes.reward_PG)
        if bool(chosen_P.any()):
            advantage_PG[chosen_P] = self._signed(outcomes.of(chosen_P)) * weight_P[chosen_P, None]
        return advantage_PG

    def _signed(self, outcomes: Outcomes) -> Tensor:
        if self.shaping is not None:
            outcomes = replace(outcomes, reward_PG=self.shaping(outcomes))
        advantage_PG = self.advantage(outcomes)
        if self.signs == "all":
            return advantage_PG
        # What is no number stays none, whatever it is multiplied by.
        return advantage_PG * torch.where(advantage_PG > 0, self.signs["positive"], self.signs["negative"])
