"""A Hydra launcher that gives every job a fresh process and goes on when one fails.

Hydra's own launcher runs all jobs in its own process, where vLLM's memory is never freed, and the joblib launcher uses
its worker processes for several jobs. Both lose the other jobs' results when one raises.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

if TYPE_CHECKING:  # Hydra imports every plugin at every start; this one's work is imported when it is used.
    from rlvr.sweep import Job

# Settings of the sweep itself, which are not passed to its jobs.
SWEEP_KEYS = ("hydra.mode", "hydra.run.", "hydra.sweep", "hydra.launcher", "hydra/launcher", "hydra/sweeper")


class ProcessLauncher(Launcher):
    """Runs each job in its own folder, by the command that started the sweep: `python src/train.py` or `rlvr-train`.

    Args:
        jobs: Jobs that run at the same time.
    """

    def __init__(self, jobs: int) -> None:
        self.at_once = jobs
        self.jobs: list[Job] = []

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra before `launch`."""
        Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run the jobs. A job that fails returns None, is named at the end and makes the sweep's exit code non-zero.

        Args:
            job_overrides: Overrides of each job.
            initial_job_idx: Number of the first; a sweeper that searches calls several times.
        """
        from rlvr.console import refuse
        from rlvr.sweep import objective, run_jobs

        setup_globals()
        configs = [self._config(initial_job_idx + i, overrides) for i, overrides in enumerate(job_overrides)]
        new = [self._job(cfg, overrides) for cfg, overrides in zip(configs, job_overrides, strict=True)]
        if fault := next(filter(None, (job.conflict() for job in new)), None):
            refuse(fault)
        if self.at_once < 1:
            refuse(f"hydra.launcher.jobs={self.at_once}: must be a number above 0.")
        self.jobs += new
        run_jobs(new, self.jobs, self.at_once, Path(self.config.hydra.sweep.dir))
        values = [objective(job.folder, cfg.get("objective")) for job, cfg in zip(new, configs, strict=True)]
        return [self._returned(job, cfg, value) for job, cfg, value in zip(new, configs, values, strict=True)]

    def _config(self, number: int, overrides: Sequence[str]) -> DictConfig:
        cfg = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(cfg):
            cfg.hydra.job.id = str(number)
            cfg.hydra.job.num = number
        return cfg

    def _job(self, cfg: DictConfig, overrides: Sequence[str]) -> "Job":
        from rlvr.console import this_command
        from rlvr.sweep import Job

        name = str(cfg.hydra.sweep.subdir)
        folder = Path(cfg.hydra.sweep.dir) / name
        given = [override for override in self.config.hydra.overrides.hydra if not _is_of_sweep(override)]
        if not any(override.startswith("hydra/job_logging=") for override in given):
            given.append("hydra/job_logging=stdout")  # the job's log already holds its output
        quoted = str(folder).replace("'", "\\'")
        given += [f"hydra.run.dir='{quoted}'", "hydra.mode=RUN", f"hydra.job.num={cfg.hydra.job.num}"]
        flags = ["--config-name", str(cfg.hydra.job.config_name)]
        for source in self.config.hydra.runtime.config_sources:
            if source.provider == "command-line":
                flags += ["--config-dir", source.path]
        return Job(
            name=name,
            overrides=tuple(overrides),
            folder=folder,
            command=(*this_command(), *flags, *overrides, *given),
            # eval.py resumes by itself, and a checkpoint that the user names is kept.
            resumable="ckpt_path" in cfg and "ckpt_path" not in self._keys(overrides),
        )

    def _keys(self, overrides: Sequence[str]) -> set[str]:
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        return {override.key_or_group for override in parser.parse_overrides(list(overrides))}

    def _returned(self, job: "Job", cfg: DictConfig, value: Any) -> JobReturn:
        # COMPLETED also when it failed: Hydra would otherwise raise at once, and leave the joint report out.
        finished = value if job.state in ("done", "skipped") else None
        return JobReturn(job.overrides, cfg, None, str(job.folder), job.name, JobStatus.COMPLETED, finished)


def _is_of_sweep(override: str) -> bool:
    return override.lstrip("+~").startswith(SWEEP_KEYS)
