"""trackio: curves in a local folder, without an account."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only


class TrackioLogger(Logger):
    """A logger for trackio, since Lightning has none.

    Args:
        save_dir: Where `trackio show` finds the runs.
        project: Name under which trackio groups runs.
        name: The run's.
    """

    def __init__(self, save_dir: str, project: str, name: str) -> None:
        super().__init__()
        self._project, self._name = project, name
        # Read when trackio is imported, which a table of completions does before the first metrics.
        os.environ.setdefault("TRACKIO_DIR", str(Path(save_dir).absolute()))
        self._run: Any = None

    @property
    def experiment(self) -> Any:
        """Trackio's run, started at its first use. A resumed run in the same folder adds to the same trackio run."""
        if self._run is None:
            import trackio

            self._run = trackio.init(project=self._project, name=self._name, resume="allow", embed=False)
        return self._run

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str:
        """The run."""
        return self._name

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """`config.yaml` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        self.experiment.log(dict(metrics), step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Do nothing: figures and others are still logged after the training, and the process's end ends the run."""
