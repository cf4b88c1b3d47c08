"""Inside a worker process: answer questions within limits, until the parent is gone."""

import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from rlvr.types import Status

Question = tuple[str, ...]
"""What the judge is asked. The last text is what the policy wrote."""
Reply = tuple[Status, float]
"""A status, and the share of a right answer's reward that a wrong one gets; from a user's function, the reward."""
Judge = Callable[[Question], float | Reply]
"""Returns a reply or a score. A score of 1 is right; a lower one is wrong, and may earn a share of the reward."""

_READING = {"os.listdir", "os.scandir"}  # what an import needs
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def serve(connection: Connection, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
    """Run a worker: load the judge, report that, then answer questions until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread would reserve a part of the allowed memory
    try:
        import resource  # not on Windows, where verifiers without worker processes still work

        limit = int(memory_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        judge = load()
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    sys.addaudithook(refuse)
    connection.send("")
    with contextlib.suppress(EOFError, OSError):
        while True:
            for question in connection.recv():
                # The parent enforces the time limit. If the parent itself is killed, this alarm stops an endless
                # question: it has no handler, so it ends the process.
                signal.setitimer(signal.ITIMER_REAL, 2 * timeout_s + 1)
                reply = _reply(judge, question)
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.send(reply)


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook, by which a judge can't write files, start processes or open connections.

    No scorer should run what a model has written, but some evaluate it. This prevents accidents; it is not a sandbox.

    Raises:
        PermissionError: At such an event, in the code that caused it.
    """
    room = event.partition(".")[0]
    writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITING
    if writes or (event not in _READING and room in ("os", "subprocess", "socket", "shutil", "ctypes", "pty")):
        raise PermissionError(f"A verifier process must not {event}.")


def _reply(judge: Judge, question: Question) -> Reply:
    try:
        said = judge(question)
        if isinstance(said, tuple):
            return said
        score = float(said)
    except Exception:  # a library may raise anything on a model's text; counted apart from `wrong`
        return "error", 0.0
    if not math.isfinite(score):
        return "error", 0.0
    return ("right", 0.0) if score >= 1 else ("wrong", max(score, 0.0))
