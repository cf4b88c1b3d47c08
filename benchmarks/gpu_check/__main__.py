"""`make gpu-check`, or from the source tree alone: `PYTHONPATH=src python -m benchmarks.gpu_check`."""

import argparse
import datetime
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from benchmarks.gpu_check.registry import CHECKS
from benchmarks.gpu_check.results import Outcome, Report
from benchmarks.gpu_check.runner import ROOT, TOTAL_S, run_all
from rlvr.console import console

COLOURS = {"passed": "green", "failed": "bold red", "skipped": "yellow", "not run": "dim"}


def main() -> None:
    """Run the checks, show and write the results. The exit code is 1 when a check failed or was not run."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as with Ctrl-C, the running check is ended, too
    gpu = _gpu()
    checks = [check for check in CHECKS if not asked.only or check.name in asked.only]
    folder = asked.out or (None if asked.only else ROOT / ("docs/results/gpu" if gpu else "logs/gpu_check"))
    report = Report(
        gpu or "CPU",
        datetime.date.today().isoformat(),
        _commit(),
        tuple(Outcome(check.name, check.title, "not run", "", 0.0, {}) for check in checks),
    )
    with _shown(report) as show:

        def changed(now: Report, running: str | None) -> None:
            if folder:
                now.write(folder)  # so that an interrupted command leaves its results so far
            show(now, running)

        report = run_all(checks, report, "cuda" if gpu else "cpu", TOTAL_S, changed)
    console.print(f"{report.summary}{f'; written to {folder}' if folder else ''}")
    sys.exit(0 if report.good else 1)


@contextmanager
def _shown(report: Report) -> Iterator[Callable[[Report, str | None], None]]:
    """Show a table that fills up or, where there is no terminal, a line for each check."""
    if not console.is_terminal:
        told: set[str] = set()

        def tell(now: Report, running: str | None) -> None:
            for o in now.outcomes:
                if o.status != "not run" and o.name not in told:
                    told.add(o.name)
                    print(f"{o.status:<8} {o.name:<13} {o.seconds:6.1f} s  {o.why}", flush=True)

        yield tell
        return
    with Live(_table(report, None), console=console, refresh_per_second=2) as live:
        yield lambda now, running: live.update(_table(now, running))


def _table(report: Report, running: str | None) -> Table:
    table = Table(title=f"gpu-check on {report.device}, commit {report.commit}")
    for column in ("check", "what", "result", "seen", "s"):
        table.add_column(column, justify="right" if column == "s" else "left", overflow="fold")
    for o in report.outcomes:
        status = "[cyan]runs[/]" if o.name == running else f"[{COLOURS[o.status]}]{o.status}[/]"
        table.add_row(o.name, o.title, status, escape(o.why), f"{o.seconds:.0f}" if o.seconds else "")
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[check.name for check in CHECKS], help="these alone")
    parser.add_argument("--out", type=Path, help="folder of the two files; with --only none are written unless given")
    return parser.parse_args()


def _gpu() -> str | None:
    """The first GPU's name. Another process asks for it, since whoever asks keeps some GPU memory until it ends."""
    ask = "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
    return subprocess.check_output([sys.executable, "-c", ask], text=True).strip() or None


def _commit() -> str:
    """The short commit, with a + where the working tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True, stderr=subprocess.DEVNULL)
        changed = subprocess.check_output([*git, "status", "--porcelain", "--", "src", "configs", "benchmarks"])
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.strip() + ("+" if changed else "")


if __name__ == "__main__":
    main()
