"""Keeps the errors of other libraries' loggers from stopping a training."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from rlvr.console import console
from rlvr.errors import cause_of
from rlvr.loggers.displays import DISPLAYS, Display
from rlvr.tables import Grid


class Tolerant(Logger):
    """Another logger, which is not called any more after its first error, so that its service can't stop a training.

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

    def show(self, name: str, table: Grid, step: int) -> None:
        """A table of texts, where the other one shows some."""
        self._display(lambda display, logger: display.table(logger, name, table, step))

    def picture(self, name: str, path: Path, step: int) -> None:
        """A figure."""
        self._display(lambda display, logger: display.picture(logger, name, path, step))

    def keep(self, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""
        self._display(lambda display, logger: display.keep(logger, name, paths))

    def save(self) -> None:
        """See `Logger`."""
        self._try("save")

    def finalize(self, status: str) -> None:
        """See `Logger`."""
        self._try("finalize", status)

    def _try(self, method: str, *args: Any, **kwargs: Any) -> None:
        self._guarded(lambda logger: getattr(logger, method)(*args, **kwargs))

    @rank_zero_only
    def _display(self, show: Callable[[Display, Logger], None]) -> None:
        if (display := DISPLAYS.get(self._name)) is not None:
            self._guarded(lambda logger: show(display, logger))

    def _guarded(self, ask: Callable[[Logger], Any]) -> None:
        if self._logger is None:
            return
        try:
            ask(self._logger)
        except Exception as error:  # whatever its service, its disk or its network raise
            self._logger = None
            console.print(f"[yellow]{self._name} is left out from here on[/] ({cause_of(error)}); see metrics.csv.")
