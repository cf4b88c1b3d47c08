"""One job of a sweep: its folder, how far it is, how it ended."""

import json
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from rlvr.checkpoint.start import finished as training_finished
from rlvr.eval import RunRecord, powers_of_two
from rlvr.eval.outcome import FILE_NAME as EVALUATION
from rlvr.eval.record import FILE_NAME as RECORD
from rlvr.files import write_whole

State = Literal["waiting", "running", "done", "skipped", "failed", "stopped"]
JOBS_FILE = "jobs.json"


@dataclass
class Job:
    """What a sweep knows of one of its jobs.

    Attributes:
        name: Its folder's name.
        overrides: What the user set for it.
        folder: Where its run is written.
        command: What its process runs.
        resumable: Whether `ckpt_path=last` makes it go on from its folder's checkpoint.
        state: How far it is. `skipped`: it was already finished before; `stopped`: the user ended it.
        pid: The id of its process.
        began: Clock time of its start in this sweep.
        seconds: How long it took.
        result: What it found, in short.
        error: Why it failed, in one sentence.
    """

    name: str
    overrides: tuple[str, ...]
    folder: Path
    command: tuple[str, ...]
    resumable: bool
    state: State = "waiting"
    pid: int | None = None
    began: float = 0.0
    seconds: float = 0.0
    result: str = ""
    error: str = ""

    @property
    def log(self) -> Path:
        """The file with its process's output: `train.log` or `eval.log`, also where the command is `rlvr-train`."""
        return self.folder / f"{Path(self.command[1]).stem.removeprefix('rlvr-')}.log"

    @property
    def progress_file(self) -> Path:
        """The file in which its process records how far it is."""
        return self.folder / ".progress.json"

    def progress(self) -> dict[str, Any]:
        """The current phase, with its completed and its total steps; empty before the first phase."""
        try:
            return dict(json.loads(self.progress_file.read_text()))
        except FileNotFoundError:
            return {}

    def conflict(self) -> str | None:
        """A sentence, when the folder is finished with other settings: it must not be taken for this job."""
        kept = self.folder / ".hydra" / "overrides.yaml"
        if not kept.is_file() or not finished(self.folder):
            return None
        before, now = _settings(OmegaConf.load(kept)), _settings(self.overrides)
        if before == now:
            return None
        return (
            f"hydra.sweep.dir: {self.folder} holds a run of {' '.join(sorted(before - now)) or 'fewer overrides'} "
            f"instead of {' '.join(sorted(now - before)) or 'fewer overrides'}; choose another hydra.sweep.dir or "
            "delete that folder."
        )


def finished(folder: Path) -> bool:
    """Whether an evaluation has ended there, or a training with its policy evaluated and saved."""
    return (folder / EVALUATION).is_file() or training_finished(folder)


def objective(folder: Path, k: int | None) -> float | None:
    """Held-out Pass@k of a finished training, which a search maximises; None without k or result."""
    if k is None or not (folder / RECORD).is_file():
        return None
    trained = RunRecord.read(folder).splits["heldout"].trained
    return trained.pass_at(k) if trained else None


def in_short(folder: Path) -> str:
    """A finished training's Pass@1 and Pass@n on held-out problems, before and after."""
    if not (folder / RECORD).is_file():
        return ""
    split = RunRecord.read(folder).splits["heldout"]
    if split.trained is None:
        return ""
    ends = (1, powers_of_two(split.base.n)[-1])
    return "  ".join(
        f"pass@{k} {100 * split.base.pass_at(k):.1f} -> {100 * split.trained.pass_at(k):.1f}" for k in ends
    )


def sentence(output: str, exit_code: int) -> str:
    """Why a process failed, from what it printed: its one sentence, else the exception, else the last line."""
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b", line)]
    return (said or raised or lines or [f"exit code {exit_code}"])[-1]


def write_jobs(sweep_dir: Path, jobs: Sequence[Job]) -> None:
    """Keep `jobs.json`: every job's state, process, time, result or error, and log."""
    rows = [
        {
            **{"name": job.name, "overrides": list(job.overrides), "state": job.state, "pid": job.pid},
            **{"seconds": round(job.seconds, 1), "result": job.result, "error": job.error, "log": str(job.log)},
        }
        for job in jobs
    ]
    write_whole(sweep_dir / JOBS_FILE, json.dumps(rows, indent=1))


def _settings(overrides: Any) -> set[str]:
    return {override for override in overrides if not override.startswith(("ckpt_path=", "allow_changes="))}
