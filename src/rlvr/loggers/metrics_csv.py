"""`metrics.csv`: our own file of metrics, which a resumed run continues exactly."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from rlvr.files import write_whole

Row = dict[str, Any]


class MetricsCsv(Logger):
    """`metrics.csv`: every row is on disk once it is logged. A resumed run drops the rows that it will log again.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = Path(path)
        self._columns: list[str] = []

    @property
    def name(self) -> None:
        """The folder says it."""

    @property
    def version(self) -> None:
        """The folder says it."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """`config.yaml` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row; a metric seen for the first time adds a column."""
        row = {"step": step, **metrics}
        if new := [name for name in row if name not in self._columns]:
            rows = self._read() if self._columns else []
            self._columns += new
            self._write(rows)
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    @rank_zero_only
    def resume(self, step: int) -> None:
        """Go on after this optimizer step: later rows will be logged again."""
        if self.path.exists():
            rows = [row for row in self._read() if int(row["step"]) <= step]
            with self.path.open(newline="") as file:
                self._columns = next(csv.reader(file))
            self._write(rows)

    def _read(self) -> list[Row]:
        """All whole rows; a process that was killed may have left half of one."""
        with self.path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if None not in row.values() and None not in row]

    def _write(self, rows: list[Row]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path, text.getvalue())
