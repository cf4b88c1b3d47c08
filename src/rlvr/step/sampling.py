"""The only place that samples and grades."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from rlvr.rollout.engine import RolloutEngine, Sampling
from rlvr.timing import Stopwatch
from rlvr.types import Completion, Group, Problem
from rlvr.verify.verifier import Verifier

# Completions that are graded together while sampling goes on, and how long the first of them may wait.
GRADED_TOGETHER, WAIT_S = 256, 10.0

Graded = Callable[[Mapping[int, Group]], None]
"""Takes groups as they are graded, by their problems' indices; in a thread of its own."""


def sample_groups(
    engine: RolloutEngine,
    verifier: Verifier,
    problems: Sequence[Problem],
    n: int,
    sampling: Sampling,
    version: int,
    seed: int,
    clock: Stopwatch | None = None,
    phase: str = "sample",
    on_sampled: Callable[[int], None] | None = None,
) -> list[Group]:
    """Sample n completions of every problem in one engine call, then grade them all.

    Args:
        engine: Synced to `version`.
        verifier: Judges completions.
        problems: P problems.
        n: Completions a problem.
        sampling: Temperature, nucleus and length.
        version: Policy version that is meant.
        seed: Of the sampling.
        clock: Gets the seconds of sampling, as `phase`, and of grading, as `verify`.
        phase: What the sampling is for.
        on_sampled: Told how many completions have come, as they come.

    Raises:
        StaleEngineError: When the engine holds another version.
    """
    clock = clock or Stopwatch()
    with clock.phase(phase):
        finished = (lambda _, completions: on_sampled(len(completions))) if on_sampled else None
        completions_PN = engine.generate(problems, n, sampling, version, seed, on_finished=finished)
    with clock.phase("verify"):
        return grade(verifier, problems, completions_PN, version)


def stream_groups(
    engine: RolloutEngine,
    verifier: Verifier,
    problems: Sequence[Problem],
    n: int,
    sampling: Sampling,
    version: int,
    seed: int,
    on_graded: Graded,
    skip: Collection[int] = (),
) -> None:
    """Sample as `sample_groups` does, and hand on groups as they are graded, beside the sampling.

    Args:
        engine: Synced to `version`.
        verifier: Judges completions, in a thread.
        problems: P problems.
        n: Completions a problem.
        sampling: Temperature, nucleus and length.
        version: Policy version that is meant.
        seed: Of the sampling.
        on_graded: Takes some groups at a time; what is sampled when an error comes is still graded and handed on.
        skip: Indices of problems that need no completions.
    """
    with _Grader(verifier, problems, version, on_graded) as grader:
        engine.generate(problems, n, sampling, version, seed, on_finished=grader.add, skip=skip)


def grade(
    verifier: Verifier, problems: Sequence[Problem], completions_PN: Sequence[Sequence[Completion]], version: int
) -> list[Group]:
    """One group a problem, of however many completions each has, graded in one call."""
    pairs = list(zip(problems, completions_PN, strict=True))
    verdicts = iter(verifier.grade([(problem, one.text) for problem, some in pairs for one in some]))
    return [Group(problem, tuple(some), tuple(next(verdicts) for _ in some), version) for problem, some in pairs]


class _Grader:
    """Grades in a thread of its own, a batch at a time; its errors come up at the next call."""

    def __init__(self, verifier: Verifier, problems: Sequence[Problem], version: int, on_graded: Graded) -> None:
        self.verifier, self.problems, self.version, self.on_graded = verifier, problems, version, on_graded
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: list[Future[None]] = []
        self._waiting: dict[int, tuple[Completion, ...]] = {}
        self._since = time.monotonic()

    def add(self, index: int, completions: tuple[Completion, ...]) -> None:
        """Take a problem's completions."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting[index] = completions
        if sum(map(len, self._waiting.values())) >= GRADED_TOGETHER or time.monotonic() - self._since > WAIT_S:
            self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is waiting, also when sampling or an earlier grading has failed: it was paid for."""
        self._submit()
        self._thread.shutdown(wait=True)  # before any error: nothing is handed on after the call
        self._raise()

    def _send(self) -> None:
        self._raise()
        self._submit()

    def _submit(self) -> None:
        if self._waiting:
            self._running.append(self._thread.submit(self._grade, self._waiting))
            self._waiting = {}

    def _raise(self) -> None:
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()

    def _grade(self, batch: Mapping[int, tuple[Completion, ...]]) -> None:
        problems = [self.problems[index] for index in batch]
        groups = grade(self.verifier, problems, list(batch.values()), self.version)
        self.on_graded(dict(zip(batch, groups, strict=True)))
