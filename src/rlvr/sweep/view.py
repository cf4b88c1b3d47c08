"""What a sweep shows: on a terminal one line for each job, kept up to date; elsewhere a line for each event."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from rlvr.console import console
from rlvr.sweep.job import Job

STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "skipped": "dim", "failed": "red", "stopped": "yellow"}
NEWS_S = 60.0  # between lines on how far the jobs are, where there is no terminal


class View:
    """Shows the jobs while they run. Where one job runs at a time, its output is shown, too.

    Args:
        sweep_dir: The sweep's folder.
        jobs: All jobs.
        at_once: How many run at the same time.
    """

    def __init__(self, sweep_dir: Path, jobs: Sequence[Job], at_once: int) -> None:
        self.sweep_dir = sweep_dir
        self.jobs = jobs
        self.at_once = at_once
        self._news = time.time()
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "View":
        console.print(f"Sweep: [bold]{escape(str(self.sweep_dir))}[/]")
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()
        console.print(f"[bold]{escape(self._summary())}[/]")
        if any(job.state in ("waiting", "stopped") for job in self.jobs):
            console.print(f"The same command with hydra.sweep.dir={escape(str(self.sweep_dir))} goes on.")

    def output(self, lines: Sequence[str]) -> None:
        """What a job has printed."""
        if self.at_once == 1:
            for line in lines:
                console.print(Text(line), soft_wrap=True)

    def changed(self, job: Job) -> None:
        """A job has started or ended."""
        said = {"running": "starts: " + " ".join(job.overrides), "skipped": "is finished, skipped"}
        text = said.get(job.state, f"{job.state} after {clock(job.seconds)}")
        more = job.error or job.result
        color = STYLES[job.state]
        line = f"[{color}]{escape(job.name)}[/] {escape(text)}{': ' if more else ''}{escape(more)}"
        console.print(line, soft_wrap=True)

    def stopping(self, count: int) -> None:
        """The user wants to stop."""
        console.print(f"Stopping: waiting for {count} job(s) to end; once more kills them.")

    def refresh(self) -> None:
        """Where there is no terminal and the jobs' output is not shown, print from time to time how far they are."""
        if console.is_terminal or self.at_once == 1 or time.time() - self._news < NEWS_S:
            return
        self._news = time.time()
        for job in self.jobs:
            if job.state == "running":
                console.print(f"{escape(job.name)} {escape(how_far(job.progress()))}")

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2, 0, 0))
        for width in (max(len(job.name) for job in self.jobs), len("running"), len("0:00:00")):
            table.add_column(no_wrap=True, min_width=width)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.title, table.title_justify = Text(self._summary(), style="bold"), "left"
        rows = list(self.jobs)
        if len(rows) > console.height - 5:
            rows = [job for job in rows if job.state in ("running", "failed")][-console.height + 5 :]
        for job in rows:
            progress = job.progress() if job.state == "running" else {}
            more = how_far(progress) if job.state == "running" else job.error or job.result
            took = clock(job.seconds) if job.seconds else ""
            table.add_row(Text(job.name), Text(job.state, style=STYLES[job.state]), Text(took), Text(more))
        return table

    def _summary(self) -> str:
        counts = {state: sum(job.state == state for job in self.jobs) for state in STYLES}
        parts = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        began = min((job.began for job in self.jobs if job.began), default=time.time())
        line = f"{len(self.jobs)} job{'s' if len(self.jobs) > 1 else ''}: {parts}; {clock(time.time() - began)}"
        done = [job.seconds for job in self.jobs if job.state == "done"]
        if not done or not counts["waiting"] + counts["running"]:
            return line
        usual = sum(done) / len(done)
        running_s = sum(max(usual - job.seconds, 0) for job in self.jobs if job.state == "running")
        return f"{line}, about {clock((running_s + counts['waiting'] * usual) / self.at_once)} left"


def how_far(progress: dict[str, Any]) -> str:
    """For example `Training 120 of 400, 1:10 left, reward 0.31`."""
    if not progress:
        return "starting"
    left = progress["left_s"]
    parts = [f"{progress['phase']} {progress['done']} of {progress['total']}"]
    parts += [f"{clock(left)} left"] if left else []
    parts += [progress["shown"]] if progress["shown"] else []
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
