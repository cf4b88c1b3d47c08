"""What a test sees of a run: a listener that keeps every rollout batch and its metrics."""

from rlvr.build import Run
from rlvr.callbacks import Listener
from rlvr.step import RolloutBatch


class Seen(Listener):
    """Keeps what it hears of."""

    def __init__(self) -> None:
        self.batches: list[RolloutBatch] = []
        self.metrics: list[dict[str, float]] = []

    def on_rollout(self, trainer, pl_module, batch, metrics):
        self.batches.append(batch)
        self.metrics.append(dict(metrics))
        return {}


def watch(run: Run) -> Seen:
    """Sees every rollout batch of this run from here on, as the last of its listeners."""
    seen = Seen()
    run.data.listeners.append(seen)
    return seen
