"""What the terminal shows: one console, one look for every progress bar."""

import json
import math
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rlvr.errors import ConfigError, InterruptionError, RunError
from rlvr.files import write_whole

CONFIG_ERROR_EXIT = 2
RUN_ERROR_EXIT = 3
INTERRUPTED_EXIT = 75  # EX_TEMPFAIL of sysexits.h: try again
SPEED_FROM_S = 3600.0
PROGRESS = "RLVR_PROGRESS"  # environment variable: the file in which a sweep reads how far its job is


def is_first_rank() -> bool:
    """Whether this process speaks for all of a launched group, known before the group is made.

    The launcher that is nearest counts: torchrun under srun has an order of its own, and local rank 0 of the second
    machine is not the first of all.
    """
    if rank := os.environ.get("RANK"):
        return int(rank) == 0
    return all(int(os.environ.get(name) or 0) == 0 for name in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


class _Terminal(Console):
    """A console that pickles as its name: Submitit and Ray pickle an entry script's `main` with what it refers to."""

    def __reduce__(self) -> str:
        return "console"


# All ranks have the same messages, so only the first one prints them; an error is printed by the rank that has it.
console = _Terminal(highlight=False, width=None if sys.stdout.isatty() else 120, quiet=not is_first_rank())


def refuse(sentence: str, exit_code: int = CONFIG_ERROR_EXIT) -> NoReturn:
    """Say what is wrong, and end the process."""
    console.quiet = False
    # On one line in a file, where a sweep looks for it.
    console.print("[bold red]Error:[/]", escape(sentence), soft_wrap=not console.is_terminal)
    sys.exit(exit_code)


@contextmanager
def one_sentence_errors(trace: Path) -> Iterator[None]:
    """A `ConfigError` or `RunError` that is raised inside ends the process with its sentence.

    Args:
        trace: Where a run that had to stop leaves its stack trace.
    """
    try:
        yield
    except Exception as error:
        meant = _to_be_read(error)
        if meant is None:
            raise
        if isinstance(meant, ConfigError):
            refuse(str(meant))
        if isinstance(meant, InterruptionError):
            from rlvr.ranks import leave_group  # which imports torch; this file is loaded by every Hydra plug-in

            leave_group()
            console.print(f"{escape(str(meant))} Go on with: [bold]{escape(_go_on(trace.parent))}[/]", soft_wrap=True)
            # Ranks that Lightning started must not look failed: it would kill the others, which are ending too.
            sys.exit(INTERRUPTED_EXIT if int(os.environ.get("LOCAL_RANK", 0)) == 0 else 0)
        trace.write_text(traceback.format_exc())
        refuse(f"{meant} (Stack trace: {trace})", RUN_ERROR_EXIT)


def command(main: Callable[[], Any]) -> None:
    """Run an entry script's `main`; what Hydra refuses before its function runs ends in one sentence, too.

    Args:
        main: The function that `hydra.main` has made.
    """
    from dotenv import load_dotenv

    from rlvr.config.composing import explanation  # this file is loaded by every Hydra plug-in

    load_dotenv(Path(".env"))  # keys of services and the like; what is set already stays

    # Without this setting Hydra prints its own text about an error and ends the process. A bug of ours still shows its
    # stack trace.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except Exception as error:
        if fault := explanation(error):
            refuse(fault)
        raise
    except KeyboardInterrupt:  # before a training has its own handlers
        console.print("Stopped.")
        sys.excepthook = lambda *_: None  # ends by the signal, as a shell expects it, but without a stack trace
        raise


def this_command() -> tuple[str, str]:
    """What starts this program again, arguments left out: Python, and `src/train.py` or an installed `rlvr-train`."""
    return sys.executable, os.path.abspath(sys.argv[0])


def _to_be_read(error: BaseException | None) -> ConfigError | RunError | None:
    """The error itself or the one that caused it: Hydra wraps what a constructor raises."""
    while error is not None and not isinstance(error, ConfigError | RunError):
        error = error.__cause__
    return error


def _go_on(run_dir: Path) -> str:
    given = [word for word in sys.argv[1:] if not word.startswith(("ckpt_path=", "hydra.run.dir="))]
    script = Path(sys.argv[0])
    started = ["python", sys.argv[0]] if script.suffix == ".py" else [script.name]
    return shlex.join([*started, *given, "ckpt_path=last", f"hydra.run.dir={run_dir}"])


class Bar:
    """One phase's progress bar, with the numbers that matter beside it."""

    def __init__(self, progress: Progress, task: int, title: str) -> None:
        self._progress = progress
        self._task = task
        self._title = title
        self._told = -math.inf
        self._tell()

    def advance(self, steps: int = 1, **numbers: float) -> None:
        """Go on by `steps` and show `numbers`."""
        shown = "  ".join(f"{name} {_short(value)}" for name, value in numbers.items())
        if numbers:
            self._progress.update(self._task, numbers=shown)  # type: ignore[arg-type]
        self._progress.advance(self._task, steps)  # type: ignore[arg-type]
        self._tell()

    def _tell(self) -> None:
        """Leave a sweep the bar's state, at most once a second and at its end; of several ranks, the first one."""
        file, now = os.environ.get(PROGRESS), time.monotonic()
        if file is None or not is_first_rank():
            return
        task = self._progress.tasks[0]
        if now - self._told >= 1 or task.finished:
            self._told = now
            numbers = {"done": task.completed, "total": task.total, "left_s": task.time_remaining}
            write_whole(Path(file), json.dumps({"phase": self._title, **numbers, "shown": task.fields["numbers"]}))


@contextmanager
def bar(title: str, total: int, done: int = 0, transient: bool = False) -> Iterator[Bar]:
    """A progress bar with elapsed and remaining time; where there is no terminal, its last state is one line.

    Args:
        title: The phase.
        total: Steps in all.
        done: Steps that a run being resumed has behind it.
        transient: Leave nothing behind at the end, and print nothing where there is no terminal.
    """
    progress = Progress(
        TextColumn(f"{title:<22}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[numbers]}"),
        console=console,
        transient=transient,
        disable=transient and not console.is_terminal,
        # The time left is computed from the steps in this many seconds; rich's 30 hold no step where steps are longer.
        speed_estimate_period=SPEED_FROM_S,
        refresh_per_second=2,
    )
    with progress:
        yield Bar(progress, progress.add_task(title, total=total, completed=done, numbers=""), title)


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
