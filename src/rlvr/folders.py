"""Whether a run has a folder that it can write to, and one for all of its ranks."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from rlvr.console import refuse
from rlvr.errors import ConfigError


def check_folder(given: Sequence[str]) -> None:
    """Refuse ranks that a launcher has started without a folder for all: each would make one up from its own clock.

    Args:
        given: Hydra's own overrides.

    Raises:
        ConfigError: With the setting that is missing.
    """
    launched = any(int(os.environ.get(name) or 1) > 1 for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"))
    if launched and not any(override.startswith("hydra.run.dir=") for override in given):
        raise ConfigError(
            "hydra.run.dir: not given, and every rank would write to a folder of its own; give one for all, such as "
            "hydra.run.dir=logs/runs/NAME."
        )


def unwritable(cfg: DictConfig) -> str | None:
    """Why nothing can be written to the folder of logs, if so."""
    folder = Path(cfg.paths.log_dir).absolute()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return (
            f"paths.log_dir={cfg.paths.log_dir}: {nearest} can't be written ({error.strerror}); choose another folder."
        )


class FolderCheck(Callback):
    """A Hydra callback: Hydra makes the output folder before our code runs, so this one check must come earlier."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before a single run."""
        if fault := unwritable(config):
            refuse(fault)

    on_multirun_start = on_run_start
