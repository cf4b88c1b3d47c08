"""What a run's parts share. A part gets this when it is made, so that it need not look into other objects."""

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
    """The objects of a run that sampling, grading and writing need.

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
        """Look at a batch. Every rank makes the same call.

        Args:
            trainer: Lightning's.
            pl_module: The LightningModule.
            batch: This rank's part.
            metrics: Those of the whole batch, including what earlier listeners added.

        Returns:
            Further metrics.
        """
