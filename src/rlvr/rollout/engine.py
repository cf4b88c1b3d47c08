"""What a rollout engine must offer."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch

from rlvr.errors import RunError
from rlvr.rollout.weights import Weights
from rlvr.types import Completion, Problem


class EngineError(RunError):
    """The engine could not be built or failed while it sampled."""


class StaleEngineError(RunError):
    """The engine was asked to sample at a policy version that it has not been synced to."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        max_new_tokens: Longest completion in tokens, end-of-sequence included.
        temperature: Divides the logits; 0 means greedy.
        top_p: Nucleus mass; below 1 the hf engine records log-probabilities from before truncation, vLLM from after.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0


OnFinished = Callable[[int, tuple[Completion, ...]], None]


class RolloutEngine(Protocol):
    """Samples completions from the current policy."""

    @property
    def dtype(self) -> torch.dtype:
        """Type in which the engine computes."""

    def sync(self, version: int) -> None:
        """Make the engine's weights those of the policy at `version` (optimizer steps taken); idempotent."""

    def generate(
        self,
        problems: Sequence[Problem],
        n: int,
        sampling: Sampling,
        version: int,
        seed: int,
        on_finished: OnFinished | None = None,
        skip: Collection[int] = (),
    ) -> list[tuple[Completion, ...]]:
        """`n` completions for each problem, in order, the same for the same weights and seed.

        Args:
            problems: P distinct problems. An engine that spans ranks must be called on all ranks, even with no problem.
            n: Completions a problem.
            sampling: Temperature, nucleus and length.
            version: Policy version that the caller means to sample from.
            seed: Seed of this call.
            on_finished: Called with a problem's index and completions as soon as these are there.
            skip: Indices of problems that need no completions and get none; they change nothing for the others.

        Raises:
            StaleEngineError: When the engine was last synced to another version.
            EngineError: When sampling fails.
        """

    def sleep(self) -> None:
        """Give memory back to the training; the next `sync` wakes the engine."""

    def close(self) -> None:
        """Free what the engine holds."""


@dataclass(frozen=True)
class Host:
    """What an engine is built with: the policy in the place where the trainer has put it.

    Attributes:
        policy: Hugging Face model, or one wrapped by peft.
        tokenizer: Its tokenizer, with an end-of-sequence token.
        weights: Starts a pass over the policy's whole weights.
        device: Where the engine computes: this rank's own device.
        autocast: The trainer's forward context, so that a policy that is sampled directly computes as in training.
    """

    policy: Any
    tokenizer: Any
    weights: Weights
    device: torch.device
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True)
class EngineTraits:
    """The properties of an engine that its settings alone determine.

    Attributes:
        own_weights: It samples from a copy of the weights, not from the policy's own parameters.
        ranks_per_engine: Ranks that share an engine.
        dtype: What it computes in, by torch's name; None: it chooses by the device.
        context: Longest prompt and completion together, tokens; None: what the run needs.
        kv_cache_gib: Key-value cache beside the policy, GiB a rank; None: it chooses by the device; 0: none that stays.
        package: What has to be installed; None: nothing.
    """

    own_weights: bool
    ranks_per_engine: int = 1
    dtype: str | None = None
    context: int | None = None
    kv_cache_gib: float | None = 0.0
    package: str | None = None


class EngineSettings(ABC):
    """An engine before it is built: the object made from `rollout.engine`. Any new engine derives from this class."""

    @property
    @abstractmethod
    def traits(self) -> EngineTraits:
        """The properties that the run plans with."""

    @abstractmethod
    def build(self, host: Host) -> RolloutEngine:
        """The engine; called once the strategy has put the policy in its place."""

    def sized(self, longest: int, kv_cache_gib: float | None) -> Self:
        """A copy in which settings that were left open are filled in.

        Args:
            longest: Tokens of the run's longest prompt and completion together.
            kv_cache_gib: Key-value cache, GiB; None: the engine's own choice.
        """
        return self


class LazyEngine:
    """An engine that is built at its first use, because only then has the strategy put the weights on the device.

    Args:
        settings: Of the engine.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._host: Callable[[], Host] | None = None
        self._engine: RolloutEngine | None = None

    def attach(self, host: Callable[[], Host]) -> None:
        """Set what the engine is built with. `host` is called at the first use, to which all ranks come together."""
        self._host = host

    @property
    def built(self) -> RolloutEngine:
        """The engine itself."""
        if self._engine is None:
            if self._host is None:
                raise RuntimeError("The rollout engine is used before there is a trainer to build it beside.")
            self._engine = self.settings.build(self._host())
        return self._engine

    @property
    def dtype(self) -> torch.dtype:
        """See `RolloutEngine`."""
        return self.built.dtype

    def sync(self, version: int) -> None:
        """See `RolloutEngine`."""
        self.built.sync(version)

    def generate(
        self,
        problems: Sequence[Problem],
        n: int,
        sampling: Sampling,
        version: int,
        seed: int,
        on_finished: OnFinished | None = None,
        skip: Collection[int] = (),
    ) -> list[tuple[Completion, ...]]:
        """See `RolloutEngine`."""
        return self.built.generate(problems, n, sampling, version, seed, on_finished, skip)

    def sleep(self) -> None:
        """See `RolloutEngine`."""
        self.built.sleep()

    def close(self) -> None:
        """Free the engine, if it was built."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def call_seed(*parts: object) -> int:
    """A 63-bit seed from what names a call, such as (run seed, purpose, version), so no state has to be saved."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def require_synced(held: int | None, wanted: int) -> None:
    """Refuse to sample from weights other than those asked for.

    Raises:
        StaleEngineError: When the versions differ.
    """
    if held != wanted:
        raise StaleEngineError(f"The rollout engine holds policy version {held}, not {wanted}: sync first.")
