"""What a callback of ours may be told beside Lightning's own hooks, and the order in which callbacks act."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning

from rlvr.eval import Evaluation
from rlvr.step import RolloutBatch


class Listener(lightning.Callback):
    """A callback that is told of rollout batches and evaluations, so that no callback has to look up another one."""

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """See `rlvr.training.RolloutListener`."""
        return {}

    def on_base(self, trainer: Any, pl_module: Any, base: Mapping[str, Evaluation]) -> None:
        """Hear of the base's results by split, `heldout` and `train`, at the start of every process of a run."""

    def on_evaluation(self, trainer: Any, pl_module: Any, step: int, found: Mapping[str, Evaluation]) -> None:
        """Look at the policy's results, on the same problems at every step.

        Args:
            trainer: Lightning's.
            pl_module: The LightningModule.
            step: Optimizer steps that the policy has taken; the base is the first one, at 0.
            found: Results by split.
        """


def in_order(callbacks: Sequence[lightning.Callback], order: Sequence[type]) -> list[lightning.Callback]:
    """Callbacks by the place of their classes in `order`, those of other classes last."""
    places = {kind: place for place, kind in enumerate(order)}
    return sorted(callbacks, key=lambda callback: places.get(type(callback), len(places)))
