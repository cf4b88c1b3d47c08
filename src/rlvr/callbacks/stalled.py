"""Stops a run that learns nothing."""

from collections.abc import Mapping
from typing import Any

from rlvr.callbacks.listener import Listener
from rlvr.errors import RunError
from rlvr.step import RolloutBatch


class StalledGuard(Listener):
    """Ends a run in which no completion has carried gradient for a while: every further step would change nothing.

    Args:
        limit: Rollout batches in a row without gradient after which the run ends.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_a_row = 0

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Count the rollout batches in a row without gradient.

        Raises:
            RunError: On every rank, when there are `limit` of them.
        """
        learned = metrics["loss/trained_rollouts"] or (pl_module.objective.needs_every_completion and batch.selected)
        self.in_a_row = 0 if learned else self.in_a_row + 1
        if self.in_a_row < self.limit:
            return {}
        share = 100 * metrics.get("rollout/accuracy", 1.0)
        raise RunError(
            f"No completion has carried gradient in the last {self.limit} rollout batches, up to step {batch.version}; "
            f"of the last one the filter selected {batch.selected} of {batch.drawn} problems, and {share:.0f} % of the "
            "answers to what was sampled were right. Either the policy has learned what this pool can teach it, or "
            "algo.filter and algo.loss leave nothing to learn from. Checkpoints so far are intact; ~callbacks.stalled "
            "goes on all the same."
        )

    def state_dict(self) -> dict[str, Any]:
        """The number of such rollout batches in a row so far."""
        return {"in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved count."""
        self.in_a_row = state_dict["in_a_row"]
