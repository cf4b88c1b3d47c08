"""Keeps every rollout of the training with its verdict and advantage."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.callbacks.listener import Listener
from rlvr.step import RolloutBatch
from rlvr.training import RunContext

SCHEMA = pa.schema(
    [
        ("version", pa.int32()),
        ("problem_id", pa.string()),
        ("prompt", pa.string()),
        ("completion", pa.string()),
        ("verdict", pa.string()),
        ("advantage", pa.float32()),
        ("filter_weight", pa.float32()),
        ("tokens", pa.int32()),
        ("finish", pa.string()),
    ]
)


# A part is written when it has as many, and at every checkpoint.
ROWS = 16_384


class SampleTable(Listener):
    """Writes `samples.parquet`, a folder of parts that any parquet reader takes as one table.

    Args:
        context: Its run_dir is where the table goes.
    """

    def __init__(self, context: RunContext) -> None:
        self.folder = context.run_dir / "samples.parquet"
        self._rows: list[tuple[Any, ...]] = []

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """A run from the beginning leaves nothing of an earlier one in its folder."""
        if trainer.ckpt_path is None:
            for part in self.folder.glob(f"part-*-{trainer.global_rank}.parquet"):
                part.unlink()

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Take the batch's rows."""
        self._rows += _rows(batch)
        if len(self._rows) >= ROWS:
            self._write(trainer)
        return {}

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """What a checkpoint has behind it is on disk before it counts."""
        self._write(trainer)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Drop the parts that will be sampled again: those after the checkpoint, where a new part begins."""
        for part in self.folder.glob(f"part-*-{trainer.global_rank}.parquet"):
            if int(part.name.split("-")[1]) >= checkpoint["global_step"]:
                part.unlink()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write what is left."""
        self._write(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write what is left: the rows before an error are those one wants to see."""
        self._write(trainer)

    def _write(self, trainer: Any) -> None:
        if not self._rows:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{self._rows[0][0]:07d}-{trainer.global_rank}.parquet"
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*self._rows, strict=True), SCHEMA, strict=True)
        ]
        pq.write_table(pa.table(columns, schema=SCHEMA), self.folder / f".{name}", compression="zstd")
        (self.folder / f".{name}").replace(self.folder / name)
        self._rows = []


def _rows(batch: RolloutBatch) -> list[tuple[Any, ...]]:
    rows = []
    for group, weight, advantages in zip(
        batch.groups, batch.weight_P.tolist(), batch.advantage_PG.tolist(), strict=True
    ):
        problem = group.problem
        for rollout, verdict, advantage in zip(group.completions, group.verdicts, advantages, strict=True):
            graded = (problem.id, problem.prompt, rollout.text, verdict.status, advantage, weight)
            rows.append((group.version, *graded, len(rollout.token_ids), rollout.finish))
    return rows
