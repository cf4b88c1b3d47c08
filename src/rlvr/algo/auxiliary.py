"""Auxiliary terms: losses beside the surrogate, on the same forward pass. Lower is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

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


@runtime_checkable
class Remembers(Protocol):
    """A term with numbers of its own, which a checkpoint keeps."""

    def after_step(self, total: Callable[[float], float]) -> None:
        """Called after each optimizer step, on all ranks; `total` adds a number up over ranks, a collective."""

    def state_dict(self) -> dict[str, Any]:
        """The numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with saved numbers."""


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
