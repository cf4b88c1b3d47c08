"""Runs the frontier study for a while, or to its end: `python -m studies.frontier [--minutes 90] [--jobs 2]`.
`--task n_queens` is the same question on the second task, with fewer methods. `--restore FOLDER` instead makes folders
of runs from the records, which `src/report.py` reads.

Every finished run leaves its record in docs/results/frontier/records. A run with a record is not run again, on any
machine. A run that was stopped continues from its checkpoint if logs/ still has it.
"""

import argparse
import sys
import time
from pathlib import Path

from rlvr.console import console
from rlvr.sweep import Job, run_jobs
from rlvr.sweep.job import finished
from studies.frontier.plan import wanted
from studies.frontier.record import keep, kept, restore
from studies.frontier.setting import COUNTDOWN, FOLDER, STUDIES, Run


def folder_of(run: Run) -> Path:
    """Where a run leaves its files."""
    return FOLDER / run.task / run.name


def job(run: Run) -> Job:
    """A run as a job of a sweep: it has its own process, is followed to its end, and is resumable."""
    folder = folder_of(run)
    command = (sys.executable, "src/train.py", *run.overrides, f"hydra.run.dir={folder}", "hydra/job_logging=stdout")
    return Job(run.name, tuple(run.overrides), folder, command, resumable=True)


def some(runs: list[Run], at_once: int) -> bool:
    """Train a few runs and keep the records of those that finished, after a signal, too. Returns whether all did."""
    new = [job(run) for run in runs]
    try:
        run_jobs(new, new, at_once, FOLDER / runs[0].task)
    finally:
        ended = [run for run, one in zip(runs, new, strict=True) if finished(one.folder)]
        for run in ended:
            keep(run, folder_of(run))
    return len(ended) == len(runs)


def main() -> None:
    """Run a few of the runs that are needed, and repeat until the time is over or none is left."""
    parser = argparse.ArgumentParser(description="Run the frontier study, or a piece of it.")
    parser.add_argument("--minutes", type=float, default=90, help="no run is started later than so many minutes on")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--restore", type=Path, help="only make folders of runs here, from the records")
    parser.add_argument("--task", choices=list(STUDIES), default=COUNTDOWN.task, help="what is trained on")
    asked = parser.parse_args()
    study = STUDIES[asked.task]
    if asked.restore:
        made = restore(kept(study), asked.restore)
        console.print(f"{len(made)} runs: python src/report.py 'runs=[{asked.restore}]'", markup=False)
        return
    (FOLDER / study.task).mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * asked.minutes
    while runs := wanted(study, kept(study)):
        if time.monotonic() > until:
            console.print(
                f"{len(kept(study))} runs are there and at least {len(runs)} are left: run it again to go on."
            )
            return
        if not some(runs[: 4 * asked.jobs], asked.jobs):
            sys.exit("A run failed; its log is named above. Run the command again when it is mended.")
    console.print(f"The study is whole: {len(kept(study))} runs.")


if __name__ == "__main__":
    main()
