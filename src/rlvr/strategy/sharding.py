"""What a strategy declares of itself, so that it need not be guessed from names."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor
from torch.nn import Module, Parameter


@dataclass(frozen=True)
class StrategyTraits:
    """The properties of a strategy that its settings alone determine.

    Attributes:
        zero_stage: Of what each rank holds only a part, as ZeRO counts: 1 optimizer states, 2 gradients too, 3
            parameters too; 0: nothing.
        offload_optimizer: Whether optimizer states are in the host's memory.
        keeps_masters: Weights in bfloat16 are rounded from fp32 copies that it keeps.
        package: What has to be installed; None: nothing.
    """

    zero_stage: int = 0
    offload_optimizer: bool = False
    keeps_masters: bool = False
    package: str | None = None

    @property
    def shards_parameters(self) -> bool:
        """Whether every rank holds a part of the parameters only."""
        return self.zero_stage == 3


@runtime_checkable
class Sharding(Protocol):
    """The methods that a strategy that shards must have. One without them is treated as `Whole`."""

    def gathered(self, parameters: Sequence[Parameter]) -> AbstractContextManager[Any]:
        """Whole parameters inside the context, on every rank: a collective where they are sharded."""

    def partition(self, module: Module) -> None:
        """Give each rank its part of the module's parameters, with rank 0's values: a collective."""

    def gradient_norm(self) -> float | None:
        """Norm of the last step's whole gradient, before clipping; None: the strategy leaves clipping to the module."""

    def masters(self, trained: Iterable[Parameter]) -> list[Tensor]:
        """What the optimizer adds to, on this rank: the trained parameters themselves, or fp32 copies of them."""


class Whole:
    """A strategy that keeps every parameter whole on every rank, such as DDP."""

    def gathered(self, parameters: Sequence[Parameter]) -> AbstractContextManager[Any]:
        """See `Sharding`."""
        return nullcontext()

    def partition(self, module: Module) -> None:
        """See `Sharding`. Nothing is partitioned here."""

    def gradient_norm(self) -> float | None:
        """See `Sharding`."""
        return None

    def masters(self, trained: Iterable[Parameter]) -> list[Tensor]:
        """See `Sharding`."""
        return list(trained)


def sharding_of(strategy: Any) -> Sharding:
    """The `Sharding` of a Lightning strategy."""
    return strategy if isinstance(strategy, Sharding) else Whole()
