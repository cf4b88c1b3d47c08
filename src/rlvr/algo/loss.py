"""A loss is six independent choices; every published method here is one point in that grid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes
from rlvr.algo.aggregation import Aggregation
from rlvr.algo.shaping import ReadsStandalone, Shaping
from rlvr.algo.surrogates import Surrogate
from rlvr.algo.token_weights import Selection

Signs = Mapping[str, float]
"""What `positive` and `negative` advantages are multiplied by."""


@dataclass(frozen=True)
class Loss:
    """shaping x advantage x sign x token weight x surrogate x aggregation.

    Attributes:
        name: The field's name for this point in the grid.
        advantage: See `advantages`.
        signs: What each sign's advantages are multiplied by, after the group's statistics were taken over all of it;
            0 leaves a sign out (GRPO-N and GSPO-N, arXiv 2510.04028: mask second-hand, rest ours).
        surrogate: See `surrogates`.
        aggregation: See `aggregation`.
        min_group: Smallest group size G at which the advantage is defined.
        shaping: What rewards become before the advantage; None: they stay. See `shaping`.
        token_weight: Which tokens are learned from; None: all. See `token_weights`.
    """

    name: str
    advantage: Callable[[Outcomes], Tensor]
    signs: Signs
    surrogate: Surrogate
    aggregation: Aggregation
    min_group: int = 1
    shaping: Shaping | None = None
    token_weight: Selection | None = None

    def advantages(self, outcomes: Outcomes, weight_P: Tensor) -> Tensor:
        """Masked advantages [P, G], each group scaled by the filter's weight; 0 carries no gradient.

        A group that weighs nothing takes no part: it is not learned from, even if its reward is no number, and what an
        advantage compares with the batch is without it.
        """
        chosen_P = weight_P > 0
        advantage_PG = torch.zeros_like(outcomes.reward_PG)
        if bool(chosen_P.any()):
            chosen = outcomes.of(chosen_P)
            nothing_PG = self.counted(chosen.length_PG, chosen.truncated_PG) == 0
            advantage_PG[chosen_P] = (self._signed(chosen) * weight_P[chosen_P, None]).masked_fill(nothing_PG, 0.0)
        return advantage_PG

    @property
    def reads_standalone(self) -> bool:
        """Whether completions have to go through the policy without their prompts, too."""
        return isinstance(self.shaping, ReadsStandalone)

    def counted(self, length_PG: Tensor, truncated_PG: Tensor) -> Tensor:
        """Tokens of each completion that are learned from, which its aggregation counts, of those that the policy
        wrote."""
        return length_PG if self.token_weight is None else self.token_weight.retained(length_PG, truncated_PG)

    def _signed(self, outcomes: Outcomes) -> Tensor:
        if self.shaping is not None:
            outcomes = replace(outcomes, reward_PG=self.shaping(outcomes))
        advantage_PG = self.advantage(outcomes)
        # NaN stays NaN, whatever it is multiplied by.
        up_PG, down_PG = advantage_PG * self.signs["positive"], advantage_PG * self.signs["negative"]
        return torch.where(advantage_PG > 0, up_PG, down_PG)
