"""Worker processes that may be killed: what they judge can hang, eat memory or crash, and the run goes on."""

import contextlib
import multiprocessing
import signal
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from types import ModuleType

from rlvr.errors import ConfigError
from rlvr.types import Status

Question = tuple[str, str]
Judge = Callable[[Question], bool]

# Not fork: a fork of a process that holds a GPU or runs threads may lock up.
_SPAWN = multiprocessing.get_context("spawn")


class KillablePool:
    """Asks `workers` processes; one that runs over time or dies costs its question only, and is replaced."""

    def __init__(self, load: Callable[[], Judge], workers: int, timeout_s: float, memory_gib: float) -> None:
        """Start nothing yet.

        Args:
            load: Module-level function, called once in each process; imports what is slow and returns the judge.
            workers: Processes side by side.
            timeout_s: Wall-clock time for one question.
            memory_gib: Address space of one process.
        """
        self._load, self._size = load, workers
        self._timeout_s, self._memory_gib = timeout_s, memory_gib
        self._workers: list[_Worker] = []
        # At exit, and when nobody holds the pool any more.
        weakref.finalize(self, _kill_all, self._workers)

    def ask(self, questions: Sequence[Question]) -> list[Status]:
        """The status of each question, in order.

        Raises:
            ConfigError: When a process can't even start.
        """
        statuses: list[Status] = ["error"] * len(questions)
        waiting = deque(range(len(questions)))
        try:
            while waiting or any(worker.busy for worker in self._workers):
                self._refill(min(self._size, len(questions)))
                for worker in self._workers:
                    if waiting and worker.ready and not worker.busy:
                        index = waiting.popleft()
                        worker.give(index, questions[index], self._timeout_s)
                self._listen(statuses)
        finally:
            # After an interrupt, a late reply must not be taken for the reply to the next question.
            for worker in [worker for worker in self._workers if worker.busy]:
                self._drop(worker)
        return statuses

    def _refill(self, count: int) -> None:
        for worker in [worker for worker in self._workers if not worker.busy and not worker.process.is_alive()]:
            if not worker.ready:
                self._greet(worker)
            self._drop(worker)
        while len(self._workers) < count:
            self._workers.append(_Worker(self._load, self._timeout_s, self._memory_gib))

    def _listen(self, statuses: list[Status]) -> None:
        """Wait for the next reply or deadline, and note what came of it."""
        talking = {worker.connection: worker for worker in self._workers if worker.busy or not worker.ready}
        left_s = min(worker.deadline for worker in talking.values()) - time.monotonic()
        heard = wait(list(talking), timeout=None if left_s == float("inf") else max(left_s, 0.0))
        for connection, worker in talking.items():
            index = worker.index
            if connection in heard and index is None:
                self._greet(worker)
            elif connection in heard and index is not None:
                statuses[index] = worker.reply()
            elif index is not None and time.monotonic() >= worker.deadline:
                statuses[index] = "timeout"
                self._drop(worker)

    def _greet(self, worker: "_Worker") -> None:
        if fault := worker.greeting():
            raise ConfigError(
                f"verifier.memory_gib={self._memory_gib:g}: a verifier process did not start ({fault}); give it more "
                "memory, or mend what it names."
            )

    def _drop(self, worker: "_Worker") -> None:
        worker.kill()
        self._workers.remove(worker)


class _Worker:
    """One process and the question that it is at."""

    def __init__(self, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs, load, timeout_s, memory_gib), daemon=True)
        with _no_main():
            self.process.start()
        theirs.close()
        self.ready = False
        self.index: int | None = None
        self.deadline = float("inf")

    @property
    def busy(self) -> bool:
        return self.index is not None

    def greeting(self) -> str:
        """What a process says when it has loaded: nothing, or what went wrong."""
        try:
            fault: str = self.connection.recv()
        except (EOFError, OSError):
            fault = "it died"
        self.ready = not fault
        return fault

    def give(self, index: int, question: Question, timeout_s: float) -> None:
        self.index, self.deadline = index, time.monotonic() + timeout_s
        # A process that dies right now is noticed when its reply is read.
        with contextlib.suppress(OSError):
            self.connection.send(question)

    def reply(self) -> Status:
        try:
            status: Status = self.connection.recv()
        except (EOFError, OSError):
            self.kill()
            status = "error"
        self.index, self.deadline = None, float("inf")
        return status

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _kill_all(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.kill()


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Keep spawn from running the entry script's imports in every worker: torch alone takes seconds and gigabytes."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(connection: Connection, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
    """Life of a worker: load, say so, then answer questions until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    try:
        import resource  # not on Windows, where the other verifiers work all the same

        limit = int(memory_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        judge = load()
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send("")
    with contextlib.suppress(EOFError, OSError):
        while True:
            question = connection.recv()
            # The parent keeps the time. Should it be killed itself, this ends an endless question: the alarm has no
            # handler, so it ends the process.
            signal.setitimer(signal.ITIMER_REAL, 2 * timeout_s + 1)
            status = _status(judge, question)
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(status)


def _status(judge: Judge, question: Question) -> Status:
    try:
        return "right" if judge(question) else "wrong"
    except Exception:  # whatever a library raises on a model's text; counted apart from `wrong`
        return "error"
