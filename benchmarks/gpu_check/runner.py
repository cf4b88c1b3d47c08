"""Runs checks one after another, each in its own process, and leaves none of their processes behind."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.gpu_check.child import RESULT
from benchmarks.gpu_check.registry import Check
from benchmarks.gpu_check.results import Outcome, Report, anonymous

ROOT = Path(__file__).parents[2]
MARK = "RLVR_GPU_CHECK"  # in the environment of a check's processes, by which all of them are found again
TOTAL_S = 600.0


def run_all(
    checks: Sequence[Check], report: Report, device: str, total_s: float, changed: Callable[[Report, str | None], None]
) -> Report:
    """The outcomes of all checks, also after one has failed.

    Args:
        checks: The checks to run.
        report: A report with a line for each of them.
        device: `cuda` or `cpu`.
        total_s: Seconds for all; a check that is left without time has failed.
        changed: Called with the report, and the name of the check that starts, at every change.
    """
    end = time.monotonic() + total_s
    for check in checks:
        changed(report, check.name)
        report = report.with_outcome(run_one(check, device, end - time.monotonic(), total_s))
        changed(report, None)
    return report


def run_one(check: Check, device: str, left_s: float, total_s: float) -> Outcome:
    """Run one check, within its own budget and the time that is left for all."""
    start = time.monotonic()

    def outcome(status: str, why: str, numbers: dict | None = None) -> Outcome:
        return Outcome(check.name, check.title, status, why, round(time.monotonic() - start, 1), numbers or {})  # type: ignore[arg-type]

    if lack := check.lack():
        return outcome("skipped", lack)
    if left_s <= 0:
        return outcome("failed", f"not started: the {total_s:.0f} s for all checks were used up")
    with tempfile.TemporaryDirectory(prefix="gpu_check.", ignore_cleanup_errors=True) as folder:
        exit_code = _process(check, device, Path(folder), min(check.budget_s, left_s))
        if exit_code is None:
            return outcome("failed", f"no result within {min(check.budget_s, left_s):.0f} s")
        result = Path(folder) / RESULT
        if exit_code or not result.exists():
            last = anonymous(_last_line(Path(folder) / "output.txt"))
            return outcome("failed", f"its process ended with {_named(exit_code)}{f': {last}' if last else ''}")
        found = json.loads(result.read_text())
    if "skipped" in found:
        return outcome("skipped", found["skipped"])
    return outcome("passed" if found["passed"] else "failed", found["why"], found["numbers"])


def _process(check: Check, device: str, folder: Path, limit_s: float) -> int | None:
    """Run a process, and return its exit code; None when its time was over."""
    mark = secrets.token_hex(8)
    command = [sys.executable, "-m", "benchmarks.gpu_check.child", check.function, device, str(folder)]
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), MARK: mark, "TMPDIR": str(folder)}
    # Nothing here may use a hub, or report usage to anybody.
    environment |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "VLLM_NO_USAGE_STATS": "1"}
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:  # on Ctrl-C, too
            _end(mark)
            process.poll()


def _end(mark: str) -> None:
    """Kill every process that a check has started, whatever its present session or parent is."""
    for _ in range(100):  # at most five seconds: a process that hangs in the driver dies only when the driver returns
        found = list(_marked(mark))
        if not found:
            return
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # A process that has ended and waits for its parent has no environment any more.
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def _named(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code} and no result"


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
