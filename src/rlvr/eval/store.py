"""Graded samples on disk: a sample that is stored is never drawn again."""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rlvr.errors import RunError
from rlvr.step import SCHEMA, read_table, write_table


def sample_file(run_dir: Path, split: str, policy: str) -> Path:
    """Where a run leaves the samples of an evaluation; `policy` is base or trained."""
    return run_dir / "evaluations" / f"{split}-{policy}.parquet"


class SampleStore:
    """A folder of parquet files, each written whole: a process that is killed leaves all that it had finished.

    Args:
        folder: One folder for one policy and way of sampling.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, table: pa.Table) -> None:
        """Add a file."""
        write_table(self.folder / f"{uuid.uuid4().hex}.parquet", table)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """These columns of every sample.

        Raises:
            RunError: When a file can't be read.
        """
        empty = pa.schema([SCHEMA.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *(_read(path, columns) for path in self._files())])

    def judge_again(self, rules: str, judge: Callable[[pa.Table], pa.Table]) -> int:
        """Replace samples that other rules have judged, a file at a time; says how many there were."""
        count = 0
        for path in self._files():
            if set(_read(path, ["rules"])["rules"].to_pylist()) - {rules}:
                table = _read(path, SCHEMA.names)
                present = pc.fill_null(pc.equal(table["rules"], rules), False)
                old = table.filter(pc.invert(present))
                write_table(path, pa.concat_tables([table.filter(present), judge(old)]))
                count += old.num_rows
        return count

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        return read_table(path, columns)
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: these samples can't be read ({error}); delete the file, and they are drawn again."
        ) from error
