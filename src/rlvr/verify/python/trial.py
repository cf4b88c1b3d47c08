"""Runs a trial: the code in one process, the tests in another, with a pipe each way and a time limit for both."""

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from rlvr.types import Status
from rlvr.verify.patience import Patience
from rlvr.verify.python.sandbox import Part, Sandbox
from rlvr.verify.python.task import Task, read
from rlvr.verify.worker import Question, Reply

VERDICTS: dict[bytes, Status] = {b"right": "right", b"wrong": "wrong"}
LONGEST_VERDICT = 100  # bytes


class Trials:
    """Runs `workers` trials at a time, in threads that only wait for processes."""

    def __init__(self, sandbox: Sandbox, workers: int, timeout_s: float, memory_gib: float) -> None:
        """Start nothing yet.

        Args:
            sandbox: What isolates the processes.
            workers: Trials that run at the same time.
            timeout_s: Wall-clock limit for one trial, including the start of its processes; less, or none, where
                similar code has run out of time.
            memory_gib: Address space of each process.
        """
        self.timeout_s = timeout_s
        self._sandbox, self._workers = sandbox, workers
        # Processor time is limited as well: if this process is killed, nothing enforces the wall-clock limit.
        self._limits = {"seconds": int(timeout_s) + 2, "memory_bytes": int(memory_gib * 2**30)}
        self._patience, self._lock = Patience(timeout_s), threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to each (reference answer, code), in order."""
        with ThreadPoolExecutor(self._workers, "trial") as threads:
            try:
                return list(threads.map(self._reply, questions))
            finally:
                for process in list(self._running):  # after an interrupt
                    _kill(process)

    def _reply(self, question: Question) -> Reply:
        answer, code = question
        task = read(answer)
        if task is None:
            return "error", 0.0
        with self._lock:
            seconds = self._patience.seconds(question)
        if not seconds:
            return "timeout", 0.0
        try:
            status = self._hold(task, code, seconds)
        except OSError:  # no room for a process, a pipe or a folder
            status = "error"
        with self._lock:
            self._patience.note(question, cheap=status != "timeout")
        return status, 0.0

    def _hold(self, task: Task, code: str, seconds: float) -> Status:
        deadline = time.monotonic() + seconds
        played = {"setup": task.setup, "code": task.played(code)}
        judged = {"setup": task.setup, "tests": task.tests, "entry_point": task.entry_point}
        with contextlib.ExitStack() as processes:
            # The pipes are closed here once both have started. When one dies, the other then reads an end of file.
            with _pipe() as (asked, asks), _pipe() as (replied, replies):
                processes.enter_context(self._process("player", played, (asked, replies)))
                referee = processes.enter_context(self._process("referee", judged, (replied, asks), subprocess.PIPE))
            return _verdict(referee, deadline)

    @contextlib.contextmanager
    def _process(
        self, part: Part, program: Mapping[str, Any], files: tuple[int, int], stdout: int = subprocess.DEVNULL
    ) -> Iterator[IO[bytes] | None]:
        """Start a process in a new, empty folder, and yield its output. In the end the process is killed."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            process = self._sandbox.start(part, program, self._limits, folder, files, stdout=stdout)
            self._running.add(process)
            try:
                yield process.stdout
            finally:
                _kill(process)
                process.wait()
                self._running.discard(process)
                if process.stdout:
                    process.stdout.close()


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def _verdict(said: IO[bytes] | None, deadline: float) -> Status:
    """The status that the tests' process reports before the deadline."""
    assert said is not None
    heard = select.poll()  # unlike select, it takes file descriptors of any number
    heard.register(said, select.POLLIN)
    verdict = b""
    while len(verdict) <= LONGEST_VERDICT:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not heard.poll(1000 * left_s):
            return "timeout"
        more = os.read(said.fileno(), LONGEST_VERDICT)
        if not more:
            break
        verdict += more
    return VERDICTS.get(verdict, "error")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that it has started. Processes in a namespace of its own die with the first of them."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
