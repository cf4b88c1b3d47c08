"""Where metrics go: a file of ours that goes on exactly, and others' loggers, which must never stop a training."""

import csv
import io
import netrc
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from rlvr.console import console
from rlvr.errors import cause_of
from rlvr.files import write_whole

Row = dict[str, Any]
SERVER_TIMEOUT_S = 4.0


class MetricsCsv(Logger):
    """`metrics.csv`: every row is on disk when it is logged, and a run that goes on drops the rows it does again.

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


def wandb_logger(offline: bool, save_dir: str, **settings: Any) -> Logger:
    """Lightning's logger for Weights & Biases, offline where its server does not answer or nobody is logged in.

    Args:
        offline: Ask for no server at all.
        save_dir: The run's folder; a process that goes on in it adds to the same run there.
        settings: Arguments of `lightning.pytorch.loggers.WandbLogger`.
    """
    from lightning.pytorch.loggers import WandbLogger

    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    if not offline and not (logged_in(server) and answers(server)):
        console.print(f"[yellow]{server} does not answer or nobody is logged in:[/] logging offline (wandb sync).")
        offline = True
    return WandbLogger(offline=offline, save_dir=save_dir, **{"id": wandb_id(Path(save_dir)), **settings})


@rank_zero_only
def wandb_id(run_dir: Path) -> str:
    """What Weights & Biases calls this run, kept in its folder; None on ranks that don't speak to it."""
    path = run_dir / "wandb_id"
    if not path.exists():
        write_whole(path, secrets.token_hex(4))
    return path.read_text()


def logged_in(server: str) -> bool:
    """Whether there is a key, where `wandb login` leaves it; wandb itself, once asked, can't go offline any more."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(urlsplit(server).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def answers(server: str) -> bool:
    """Whether there is an HTTP server."""
    try:
        urllib.request.urlopen(server, timeout=SERVER_TIMEOUT_S)
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


class Tolerant(Logger):
    """Another logger that is left out from its first error on: a service that does not answer costs no training.

    Args:
        logger: The other one.
    """

    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger: Logger | None = logger
        self._name = type(logger).__name__

    @property
    def name(self) -> str | None:
        """The other's."""
        return self._logger.name if self._logger else None

    @property
    def version(self) -> int | str | None:
        """The other's."""
        return self._logger.version if self._logger else None

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """See `Logger`."""
        self._try("log_hyperparams", params, *args, **kwargs)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """See `Logger`."""
        self._try("log_metrics", dict(metrics), step)

    def save(self) -> None:
        """See `Logger`."""
        self._try("save")

    def finalize(self, status: str) -> None:
        """See `Logger`."""
        self._try("finalize", status)

    def _try(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._logger is None:
            return
        try:
            getattr(self._logger, method)(*args, **kwargs)
        except Exception as error:  # whatever its service, its disk or its network raise
            self._logger = None
            console.print(f"[yellow]{self._name} is left out from here on[/] ({cause_of(error)}); see metrics.csv.")
