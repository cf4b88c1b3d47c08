"""Worker processes that may be killed. An answer can make one hang, crash or fill its memory; the run goes on."""

import contextlib
import multiprocessing
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import ModuleType

from rlvr.errors import ConfigError
from rlvr.verify.patience import Patience
from rlvr.verify.worker import Judge, Question, Reply, serve

# A process gets up to this many questions at once, so that it need not wait for the next. Each has its own time limit.
MAX_BATCH = 8

# Not fork: a fork of a process that holds a GPU or runs threads may deadlock.
_SPAWN = multiprocessing.get_context("spawn")


class KillablePool:
    """Asks `workers` processes. One that exceeds its time or dies loses only its current question, and is replaced."""

    def __init__(self, load: Callable[[], Judge], workers: int, timeout_s: float, memory_gib: float) -> None:
        """Start nothing yet.

        Args:
            load: Module-level function that each process calls once. It imports what is slow and returns the judge.
            workers: Processes that run at the same time.
            timeout_s: Wall-clock limit for one question; less, or none, where similar questions have run out of time.
            memory_gib: Address space of one process.
        """
        self._load, self._size = load, workers
        self.timeout_s, self._memory_gib = timeout_s, memory_gib
        self._patience = Patience(timeout_s)
        self._workers: list[_Worker] = []
        # Processes are killed at exit, and when nothing refers to the pool any more.
        weakref.finalize(self, _kill_all, self._workers)

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to each question, in order.

        Raises:
            ConfigError: When a process can't even start.
        """
        replies: list[Reply] = [("error", 0.0)] * len(questions)
        waiting = deque(range(len(questions)))
        # Calls with one question must not shrink the pool: while a killed process is replaced, another one answers.
        count = max(len(self._workers), min(self._size, len(questions)))
        try:
            while waiting or any(worker.tasks for worker in self._workers):
                self._refill(count)
                for worker in self._workers:
                    if worker.ready and not worker.tasks:
                        worker.give(self._next(waiting, questions, replies))
                if any(worker.tasks or not worker.ready for worker in self._workers):
                    self._listen(replies, waiting)
            # A killed process is replaced now, not when the next question waits for it.
            self._refill(count)
        finally:
            # After an interrupt, a late reply must not be taken for the reply to the next question.
            for worker in [worker for worker in self._workers if worker.tasks]:
                self._drop(worker)
        return replies

    def _next(self, waiting: deque[int], questions: Sequence[Question], replies: list[Reply]) -> list["_Task"]:
        """The next tasks for a process. A question that gets no time has the reply `timeout` at once."""
        share = min(MAX_BATCH, 1 + len(waiting) // (2 * self._size))
        tasks: list[_Task] = []
        while waiting and len(tasks) < share:
            index = waiting.popleft()
            if seconds := self._patience.seconds(questions[index]):
                tasks.append(_Task(index, questions[index], seconds))
            else:
                replies[index] = ("timeout", 0.0)
        return tasks

    def _refill(self, count: int) -> None:
        for worker in [worker for worker in self._workers if not worker.tasks and not worker.process.is_alive()]:
            if not worker.ready:
                self._greet(worker)
            self._drop(worker)
        while len(self._workers) < count:
            self._workers.append(_Worker(self._load, self.timeout_s, self._memory_gib))

    def _listen(self, replies: list[Reply], waiting: deque[int]) -> None:
        """Wait for the next reply or deadline, and record the result."""
        talking = {worker.connection: worker for worker in self._workers if worker.tasks or not worker.ready}
        left_s = min(worker.deadline for worker in talking.values()) - time.monotonic()
        heard = wait(list(talking), timeout=None if left_s == float("inf") else max(left_s, 0.0))
        for connection, worker in talking.items():
            if connection in heard and not worker.ready:
                self._greet(worker)
            elif connection in heard:
                seconds, task, reply = worker.reply()
                replies[task.index] = reply
                # A process that has died, or an error after a long time (as when memory fills), costs as much as a
                # time-out.
                cheap = worker.alive and (reply[0] != "error" or seconds < self._patience.short_s)
                self._patience.note(task.question, cheap)
            elif worker.tasks and time.monotonic() >= worker.deadline:
                task = worker.tasks.popleft()
                replies[task.index] = ("timeout", 0.0)
                self._patience.note(task.question, cheap=False)
                worker.kill()
            if not worker.alive:
                # Questions that it had not started yet are asked again, since they are not the cause.
                waiting.extendleft(task.index for task in reversed(worker.tasks))
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


@dataclass(frozen=True)
class _Task:
    """A question, its index among those that were asked, and its time limit."""

    index: int
    question: Question
    seconds: float


class _Worker:
    """One process and the questions that it has been given; it is answering the first of them."""

    def __init__(self, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(theirs, load, timeout_s, memory_gib), daemon=True)
        with _no_main():
            self.process.start()
        theirs.close()
        self.ready, self.alive = False, True
        self.tasks: deque[_Task] = deque()
        self.deadline = float("inf")

    def greeting(self) -> str:
        """The message of a process that has loaded: empty, or what went wrong."""
        try:
            fault: str = self.connection.recv()
        except (EOFError, OSError):
            fault = "it died"
        self.ready = not fault
        return fault

    def give(self, tasks: Sequence[_Task]) -> None:
        if not tasks:
            return
        self.tasks.extend(tasks)
        self._start_clock()
        # A process that dies right now is noticed when its reply is read.
        with contextlib.suppress(OSError):
            self.connection.send([task.question for task in tasks])

    def reply(self) -> tuple[float, _Task, Reply]:
        """The seconds that a question took, its task and the reply; the time of the next question starts now."""
        task = self.tasks.popleft()
        seconds = time.monotonic() - (self.deadline - task.seconds)
        try:
            reply: Reply = self.connection.recv()
        except (EOFError, OSError):
            self.kill()
            return seconds, task, ("error", 0.0)
        self._start_clock()
        return seconds, task, reply

    def _start_clock(self) -> None:
        self.deadline = time.monotonic() + self.tasks[0].seconds if self.tasks else float("inf")

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
