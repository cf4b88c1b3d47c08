"""The only place that samples and grades."""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from rlvr.rollout.engine import RolloutEngine, Sampling
from rlvr.speed.flops import Passed
from rlvr.timing import Stopwatch
from rlvr.types import Completion, Group, Problem
from rlvr.verify.verifier import Verifier

# Completions that are graded together while sampling goes on, at least, and how long the first of them may wait.
# A batch may end as a file, so batches grow with what was graded before: a hundred for half a million completions.
GRADED_TOGETHER, GROWTH, WAIT_S = 256, 1 / 16, 10.0

Graded = Callable[[Sequence[tuple[int, Group]]], None]
"""Takes groups as they are graded, each with the number of its first completion; in a thread of its own."""


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
        version: Policy version that must sample.
        seed: Of the sampling.
        clock: Gets the seconds of sampling, as `phase`, and of grading, as `verify`; and what went through the policy.
        phase: What the sampling is for.
        on_sampled: Told how many completions have come, as they come.

    Raises:
        StaleEngineError: When the engine holds another version.
    """
    clock = clock or Stopwatch()
    with clock.phase(phase):
        finished = (lambda _, completions: on_sampled(len(completions))) if on_sampled else None
        completions_PN = engine.generate(problems, n, sampling, version, seed, on_finished=finished)
    for problem, completions in zip(problems, completions_PN, strict=True):
        clock.count(phase, Passed.of(len(problem.prompt_ids), [len(one.token_ids) for one in completions]))
    with clock.phase("verify"):
        return grade(verifier, problems, completions_PN, version)


def stream_groups(
    engine: RolloutEngine,
    grader: "Grader",
    problems: Sequence[Problem],
    n: int,
    sampling: Sampling,
    seed: int,
    first: int = 0,
    skip: Collection[int] = (),
) -> None:
    """Sample as `sample_groups` does, and let groups be graded beside the sampling of this call and the next ones.

    Args:
        engine: Synced to the grader's version.
        grader: Hands on what it has graded, in its own time.
        problems: P problems.
        n: Completions a problem.
        sampling: Temperature, nucleus and length.
        seed: Of the sampling.
        first: Number of the first completion among those of a problem.
        skip: Indices of problems that need no completions.
    """

    def take(index: int, completions: tuple[Completion, ...]) -> None:
        grader.add(problems[index], completions, first)

    engine.generate(problems, n, sampling, grader.version, seed, on_finished=take, skip=skip)


def grade(
    verifier: Verifier, problems: Sequence[Problem], completions_PN: Sequence[Sequence[Completion]], version: int
) -> list[Group]:
    """One group a problem, of however many completions each has, graded in one call."""
    pairs = list(zip(problems, completions_PN, strict=True))
    verdicts = iter(verifier.grade([(problem, one.text) for problem, some in pairs for one in some]))
    return [Group(problem, tuple(some), tuple(next(verdicts) for _ in some), version) for problem, some in pairs]


class Grader:
    """Grades in a thread of its own, a batch at a time; its errors are raised at the next call.

    Args:
        verifier: Judges completions.
        version: Policy version that is sampled from.
        on_graded: Takes some groups at a time.
    """

    def __init__(self, verifier: Verifier, version: int, on_graded: Graded) -> None:
        self.verifier, self.version, self.on_graded = verifier, version, on_graded
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: list[Future[None]] = []
        self._waiting: list[tuple[int, Problem, tuple[Completion, ...]]] = []
        self._count = self._sent = 0  # completions that wait, and those graded before
        self._since = time.monotonic()

    def add(self, problem: Problem, completions: tuple[Completion, ...], first: int) -> None:
        """Take a problem's completions and the number of the first of them."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append((first, problem, completions))
        self._count += len(completions)
        enough = max(GRADED_TOGETHER, GROWTH * self._sent)
        if self._count >= enough or time.monotonic() - self._since > WAIT_S:
            self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Grade what is waiting, also when sampling or an earlier grading has failed: else its sampling is wasted."""
        self._submit()
        self._thread.shutdown(wait=True)  # before any error: nothing is handed on after the call
        self._raise()

    def _send(self) -> None:
        self._raise()
        self._submit()

    def _submit(self) -> None:
        if self._waiting:
            self._running.append(self._thread.submit(self._grade, self._waiting))
            self._waiting, self._count, self._sent = [], 0, self._sent + self._count

    def _raise(self) -> None:
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()

    def _grade(self, batch: Sequence[tuple[int, Problem, tuple[Completion, ...]]]) -> None:
        firsts, problems, completions_PN = zip(*batch, strict=True)
        groups = grade(self.verifier, problems, completions_PN, self.version)
        self.on_graded(list(zip(firsts, groups, strict=True)))
