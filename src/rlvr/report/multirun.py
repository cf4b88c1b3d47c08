"""A Hydra callback that shows the runs of a sweep side by side when the sweep is over."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.report.write import report_together


class JointReport(Callback):
    """Writes the joint table and figures into the multirun folder."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        sweep_dir = Path(config.hydra.sweep.dir)
        try:
            report_together([sweep_dir], sweep_dir)
        except ConfigError as error:
            console.print(f"[yellow]No joint table:[/] {error}")
