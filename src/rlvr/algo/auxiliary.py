"""Auxiliary terms: losses beside the surrogate, on the same forward pass. Lower is better."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from rlvr.algo.tokens import Tokens


class Auxiliary(Protocol):
    """One further loss of every completion token of the problems that the filter selected.

    Attributes:
        entropy_gradient: Whether it needs the entropy's gradient, which the forward pass does not keep otherwise.
    """

    entropy_gradient: ClassVar[bool]

    def __call__(self, tokens: Tokens) -> Tensor:
        """Loss of each token [B, T]; the objective takes the mean over all of an optimizer step's tokens."""


@dataclass(frozen=True)
class EntropyBonus:
    """- coefficient x entropy, so that the policy stays undecided. Source: well known; NSR's code has 1e-3 (code).

    Attributes:
        coefficient: Per nat.
    """

    coefficient: float
    entropy_gradient: ClassVar[bool] = True

    def __call__(self, tokens: Tokens) -> Tensor:
        """See `Auxiliary`."""
        return -self.coefficient * tokens.entropy_BT
