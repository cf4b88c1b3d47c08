"""What a run's parts share: handed to whoever needs it when it is made, rather than found in another object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rlvr.rollout import LazyEngine, Sampling
from rlvr.step import RolloutBatch
from rlvr.timing import Stopwatch
from rlvr.types import Problem
from rlvr.verify import Verifier


@dataclass(frozen=True)
class RunContext:
    """The things of a run that sampling, grading and writing take.

    Attributes:
        run_dir: The run's folder.
        problems: The training pool.
        tokenizer: The policy's.
        engine: The rollout engine.
        verifier: Judges completions.
        sampling: How completions are drawn in training.
        seed: The run's seed.
        micro_batch_tokens: Packed tokens that go through the policy at a time.
        clock: Adds up the seconds of each phase.
    """

    run_dir: Path
    problems: Sequence[Problem]
    tokenizer: Any
    engine: LazyEngine
    verifier: Verifier
    sampling: Sampling
    seed: int
    micro_batch_tokens: int
    clock: Stopwatch


class RolloutListener(Protocol):
    """Sees every rollout batch before it is learned from."""

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Look at a batch, the same call on every rank.

        Args:
            trainer: Lightning's.
            pl_module: The LightningModule.
            batch: This rank's part.
            metrics: Of the whole batch, those that earlier listeners added among them.

        Returns:
            Further metrics.
        """
