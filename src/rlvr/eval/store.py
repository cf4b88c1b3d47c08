"""Graded samples on disk: what an evaluation has is never drawn again."""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from rlvr.errors import RunError
from rlvr.step import SCHEMA, Row, read_table, write_rows


class SampleStore:
    """A folder of parquet files, each written whole: a process that is killed leaves all that it had finished.

    Args:
        folder: One folder for one policy and way of sampling.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, rows: Sequence[Row]) -> None:
        """Add a file."""
        write_rows(self.folder / f"{uuid.uuid4().hex}.parquet", rows)

    def read(self, columns: Sequence[str]) -> list[Row]:
        """These columns of every sample.

        Raises:
            RunError: When a file can't be read.
        """
        return [row for path in self._files() for row in _read(path, columns)]

    def judge_again(self, rules: str, judge: Callable[[Sequence[Row]], Sequence[Row]]) -> int:
        """Replace rows that other rules have judged, a file at a time; says how many there were."""
        count = 0
        for path in self._files():
            if {row["rules"] for row in _read(path, ["rules"])} - {rules}:
                rows = _read(path, SCHEMA.names)
                old = [row for row in rows if row["rules"] != rules]
                write_rows(path, [row for row in rows if row["rules"] == rules] + list(judge(old)))
                count += len(old)
        return count

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))


def _read(path: Path, columns: Sequence[str]) -> list[Row]:
    try:
        rows: list[Row] = read_table(path, columns).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"{path}: these samples can't be read ({error}); delete the file, and they are drawn again."
        ) from error
    return rows
