"""Writes down every rollout of the training with its verdict, reward and advantage."""

from collections.abc import Mapping
from typing import Any

from rlvr.callbacks.listener import Listener
from rlvr.step import RolloutBatch, Row, rows_of, write_rows
from rlvr.training import RunContext

# A part is written when it has as many, and at every checkpoint.
ROWS = 16_384


class SampleTable(Listener):
    """Writes `samples.parquet`, a folder of parts that any parquet reader takes as one table (`rlvr.step.table`).

    Args:
        context: Its run_dir is where the table goes.
    """

    def __init__(self, context: RunContext) -> None:
        self.folder = context.run_dir / "samples.parquet"
        self._rows: list[Row] = []

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Take the batch's rows; a run from the beginning leaves nothing of an earlier one in its folder.

        Lightning's own hooks would be too early for that: DeepSpeed restores a checkpoint only after `on_fit_start`.
        """
        if batch.version == 0:
            self._drop(trainer.global_rank, from_step=0)
        self._rows += batch_rows(batch)
        if len(self._rows) >= ROWS:
            self._write(trainer)
        return {}

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """What a checkpoint has behind it is on disk before it counts."""
        self._write(trainer)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Drop the parts that will be sampled again: those after the checkpoint, where a new part begins."""
        self._drop(trainer.global_rank, checkpoint["global_step"])

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write what is left."""
        self._write(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write what is left: the rows before an error are those one wants to see."""
        self._write(trainer)

    def _drop(self, rank: int, from_step: int) -> None:
        for part in self.folder.glob(f"part-*-{rank}.parquet"):
            if int(part.name.split("-")[1]) >= from_step:
                part.unlink()

    def _write(self, trainer: Any) -> None:
        if self._rows:
            name = f"part-{self._rows[0]['version']:07d}-{trainer.global_rank}.parquet"
            write_rows(self.folder / name, self._rows)
        self._rows = []


def batch_rows(batch: RolloutBatch) -> list[Row]:
    """A row a completion of this rank's, with what it was worth to the policy."""
    learned = zip(batch.groups, batch.weight_P.tolist(), batch.advantage_PG.tolist(), strict=True)
    return [
        row
        for group, weight, advantages in learned
        for row in rows_of(group, advantage=advantages, weight=[weight] * len(advantages))
    ]
