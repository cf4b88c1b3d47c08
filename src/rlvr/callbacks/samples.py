"""Writes down rollouts of the training with their verdicts, rewards and advantages."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape

from rlvr.callbacks.listener import Listener
from rlvr.console import console
from rlvr.errors import RunError, cause_of
from rlvr.step import RolloutBatch, read_table, table_of, write_table
from rlvr.training import RunContext

# A part is full when it has this many rows or bytes. A part that is not full is written anew at every checkpoint, so
# long texts must not make it large.
ROWS, BYTES = 16_384, 2**26


class SampleTable(Listener):
    """Writes `samples.parquet`, a folder of parts that any parquet reader takes as one table (`rlvr.step.table`).

    A thread does it beside the training. A part grows until it is full: it is written anew under the same name, whole
    or not at all, so that parts stay few, however many checkpoints there are, and no row is ever there twice.

    Args:
        context: Its run_dir is where the table goes.
        every_n_rollouts: One of so many rollouts is kept, with all that was sampled for it; 1 keeps all.
    """

    def __init__(self, context: RunContext, every_n_rollouts: int) -> None:
        self.folder = context.run_dir / "samples.parquet"
        self.every_n_rollouts = every_n_rollouts
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: Future[None] | None = None
        self._part: list[pa.Table] = []  # what the part that grows holds; the thread's while it runs

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Take the batch's rows. A run that starts anew first removes what an earlier run left in its folder.

        Lightning's own hooks would be too early for that: DeepSpeed restores a checkpoint only after `on_fit_start`.
        """
        if batch.version == 0:
            self._drop(trainer, from_step=0)
        if batch.groups and trainer.current_epoch % self.every_n_rollouts == 0:
            self._start(self._take, batch, trainer.global_rank)
        return {}

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Write the rows from before a checkpoint to disk before the checkpoint counts."""
        self._write_all(trainer)

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Drop the rows that will be sampled again: those after the checkpoint, where a new part begins."""
        self._drop(trainer, checkpoint["global_step"])

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write what is left."""
        self._write_all(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write what is left, because the rows before an error help to explain it. A failure here must not hide it."""
        try:
            self._write_all(trainer)
        except RunError as error:
            console.print(f"[yellow]{escape(str(error))}[/]")

    # --- on the training's side of the thread -----------------------------------------------------------------

    def _write_all(self, trainer: Any) -> None:
        self._start(self._write, trainer.global_rank)
        self._wait()

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        """Give the thread a task once its last one is done, so that there is never more than one task."""
        self._wait()
        self._running = self._thread.submit(work, *arguments)

    def _wait(self) -> None:
        """Wait until the thread has nothing to do.

        Raises:
            RunError: When it could not write; the rows are kept for another try.
        """
        running, self._running = self._running, None
        try:
            if running:
                running.result()
        except OSError as error:
            raise RunError(
                f"{self.folder}: the samples can't be written ({cause_of(error)}); make room and go on with "
                "ckpt_path=last."
            ) from error

    def _drop(self, trainer: Any, from_step: int) -> None:
        """Drop the rows from a policy version on: those of this rank, and those of ranks that no longer exist."""
        self._wait()
        self._part = []
        for path in sorted(self.folder.glob("part-*.parquet")):
            first, rank = map(int, path.stem.split("-")[1:])
            if rank % trainer.world_size != trainer.global_rank:
                continue
            if first >= from_step:
                path.unlink()
            elif pc.max(read_table(path, ["version"])["version"]).as_py() >= from_step:  # it grew after the checkpoint
                table = read_table(path)
                write_table(path, table.filter(pc.less(table["version"], from_step)))

    # --- in the thread ----------------------------------------------------------------------------------------

    def _take(self, batch: RolloutBatch, rank: int) -> None:
        self._part.append(batch_table(batch))
        if self._full():
            self._write(rank)

    def _write(self, rank: int) -> None:
        """Named by its first version, so that the parts from a version on are found without reading them."""
        if not self._part:
            return
        first = self._part[0]["version"][0].as_py()
        write_table(self.folder / f"part-{first:07d}-{rank}.parquet", pa.concat_tables(self._part))
        if self._full():
            self._part = []

    def _full(self) -> bool:
        rows, size = sum(table.num_rows for table in self._part), sum(table.nbytes for table in self._part)
        return rows >= ROWS or size >= BYTES


def batch_table(batch: RolloutBatch) -> pa.Table:
    """One row for each completion of this rank, with its advantage and the weight of its problem."""
    weight_PG = batch.weight_P[:, None].expand_as(batch.advantage_PG)
    worth = {"advantage": batch.advantage_PG, "weight": weight_PG}
    return table_of(batch.groups, **{name: value_PG.flatten().tolist() for name, value_PG in worth.items()})
