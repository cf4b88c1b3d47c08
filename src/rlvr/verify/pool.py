"""Worker processes that may be killed: what they judge can hang, eat memory or crash, and the run goes on."""

import contextlib
import multiprocessing
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from types import ModuleType

from rlvr.errors import ConfigError
from rlvr.verify.worker import Judge, Question, Reply, serve

# Questions handed over at a time, so that no process waits for its next one; each keeps a time limit of its own.
MAX_BATCH = 8

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

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to each question, in order.

        Raises:
            ConfigError: When a process can't even start.
        """
        replies: list[Reply] = [("error", 0.0)] * len(questions)
        waiting = deque(range(len(questions)))
        # One question at a time must not shrink the pool: while a killed process is replaced, another answers.
        count = max(len(self._workers), min(self._size, len(questions)))
        try:
            while waiting or any(worker.indices for worker in self._workers):
                self._refill(count)
                for worker in self._workers:
                    if waiting and worker.ready and not worker.indices:
                        share = min(MAX_BATCH, 1 + len(waiting) // (2 * self._size))
                        indices = [waiting.popleft() for _ in range(share)]
                        worker.give(indices, [questions[index] for index in indices])
                self._listen(replies, waiting)
            # A killed process is replaced now, not when the next question waits for it.
            self._refill(count)
        finally:
            # After an interrupt, a late reply must not be taken for the reply to the next question.
            for worker in [worker for worker in self._workers if worker.indices]:
                self._drop(worker)
        return replies

    def _refill(self, count: int) -> None:
        for worker in [worker for worker in self._workers if not worker.indices and not worker.process.is_alive()]:
            if not worker.ready:
                self._greet(worker)
            self._drop(worker)
        while len(self._workers) < count:
            self._workers.append(_Worker(self._load, self._timeout_s, self._memory_gib))

    def _listen(self, replies: list[Reply], waiting: deque[int]) -> None:
        """Wait for the next reply or deadline, and note what came of it."""
        talking = {worker.connection: worker for worker in self._workers if worker.indices or not worker.ready}
        left_s = min(worker.deadline for worker in talking.values()) - time.monotonic()
        heard = wait(list(talking), timeout=None if left_s == float("inf") else max(left_s, 0.0))
        for connection, worker in talking.items():
            if connection in heard and not worker.ready:
                self._greet(worker)
            elif connection in heard:
                replies[worker.indices[0]] = worker.reply()
                worker.indices.popleft()
            elif worker.indices and time.monotonic() >= worker.deadline:
                replies[worker.indices.popleft()] = ("timeout", 0.0)
                worker.kill()
            if not worker.alive:
                # What it had not come to yet is not its questions' fault.
                waiting.extendleft(reversed(worker.indices))
                self._workers.remove(worker)

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
    """One process and the questions that it has been given, the one that it is at first."""

    def __init__(self, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(theirs, load, timeout_s, memory_gib), daemon=True)
        with _no_main():
            self.process.start()
        theirs.close()
        self.ready, self.alive = False, True
        self.indices: deque[int] = deque()
        self.deadline = float("inf")
        self._timeout_s = timeout_s

    def greeting(self) -> str:
        """What a process says when it has loaded: nothing, or what went wrong."""
        try:
            fault: str = self.connection.recv()
        except (EOFError, OSError):
            fault = "it died"
        self.ready = not fault
        return fault

    def give(self, indices: Sequence[int], questions: Sequence[Question]) -> None:
        self.indices.extend(indices)
        self.deadline = time.monotonic() + self._timeout_s
        # A process that dies right now is noticed when its reply is read.
        with contextlib.suppress(OSError):
            self.connection.send(questions)

    def reply(self) -> Reply:
        """The reply to the question that it was at; it goes on to the next."""
        try:
            reply: Reply = self.connection.recv()
        except (EOFError, OSError):
            self.kill()
            return "error", 0.0
        self.deadline = time.monotonic() + self._timeout_s if len(self.indices) > 1 else float("inf")
        return reply

    def kill(self) -> None:
        self.alive = False
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
