"""A Hydra callback: a sweep names its failed jobs and does not end as if all had succeeded."""

import json
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.markup import escape

from rlvr.console import RUN_ERROR_EXIT, console
from rlvr.sweep.job import JOBS_FILE


class FailedJobs(Callback):
    """It must be the first in `hydra.callbacks`, which Hydra calls last, so after the joint report."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        sweep_dir = Path(config.hydra.sweep.dir)
        file = sweep_dir / JOBS_FILE
        jobs = json.loads(file.read_text()) if file.is_file() else []  # another launcher keeps none
        failed = [job for job in jobs if job["state"] == "failed"]
        if not failed:
            return
        console.print()
        for job in failed:
            named = f"{job['name']} ({' '.join(job['overrides'])})"
            line = f"{escape(named)}: {escape(job['error'])} (Log: {escape(job['log'])})"
            console.print(f"[bold red]Failed:[/] {line}", soft_wrap=True)
        again = f"hydra.sweep.dir={sweep_dir}"
        console.print(f"{len(failed)} of {len(jobs)} jobs failed; the same command with {escape(again)} repairs them.")
        sys.exit(RUN_ERROR_EXIT)
