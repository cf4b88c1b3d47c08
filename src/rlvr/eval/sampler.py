"""Sampling for an evaluation that may be killed: graded while sampling goes on, written as it finishes."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rlvr.console import Bar, bar
from rlvr.eval.store import Row, SampleStore, prompt_name
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling, call_seed
from rlvr.types import Completion, Problem
from rlvr.verify import Verifier

# Completions in one engine call: few calls, whose results still fit into memory.
CALL = 8192
FIRST_SEGMENT, LAST_SEGMENT = 8, 64
# Completions that are graded and written together, and how long the first of them may wait.
BATCH, WAIT_S = 256, 10.0


@dataclass(frozen=True)
class Job:
    """What is to be sampled.

    Attributes:
        problems: P problems.
        n: Samples a problem.
        sampling: Temperature, nucleus and length.
        seed: Of the evaluation.
        rules: Names the verifier's rules; samples that others have judged are judged again.
    """

    problems: Sequence[Problem]
    n: int
    sampling: Sampling
    seed: int
    rules: str


def segments(n: int) -> Iterator[tuple[int, int]]:
    """(first, count) of the samples drawn in one call: 8, 8, 16, 32, 64, 64, .. so that the calls for a smaller n are
    the first ones for a larger."""
    start = 0
    while start < n:
        count = min(max(start, FIRST_SEGMENT), LAST_SEGMENT, n - start)
        yield start, count
        start += count


def sample(job: Job, engine: RolloutEngine, verifier: Verifier, store: SampleStore, ranks: Ranks) -> None:
    """Bring the store to n graded samples of each of this rank's problems.

    Args:
        job: What to sample.
        engine: Holds version 0 of the policy.
        verifier: Judges completions, in a thread beside the sampling.
        store: What is there stays and is not drawn again.
        ranks: Processes that share the work.
    """
    mine: Sequence[Problem] = ranks.share(job.problems)
    most = -(-len(job.problems) // ranks.size)  # so that ranks which share an engine make as many calls
    asked = {(problem.id, prompt_name(problem), i) for problem in mine for i in range(job.n)}
    have = {(row["problem_id"], row["prompt"], row["sample"]) for row in store.read(["problem_id", "prompt", "sample"])}
    missing = {(problem, i) for problem, _, i in asked - have}
    with bar("Sampling", len(asked), len(asked) - len(missing)) as progress, Grader(job, verifier, store) as grader:
        for first, count in segments(job.n):
            for start in range(0, most, CALL // count):
                chunk = mine[start : start + CALL // count]
                call = Call(chunk, first, count, missing, grader, progress)
                seed = call_seed(job.seed, first)
                engine.generate(chunk, count, job.sampling, 0, seed, on_finished=call.keep, skip=call.done())


@dataclass(frozen=True)
class Call:
    """One call of the engine: samples first, first + 1, .. of each of some problems, where any of them is missing."""

    problems: Sequence[Problem]
    first: int
    count: int
    missing: set[tuple[str, int]]
    grader: "Grader"
    progress: Bar

    def done(self) -> set[int]:
        """Indices of problems that miss none."""
        numbers = range(self.first, self.first + self.count)
        return {
            index
            for index, problem in enumerate(self.problems)
            if not any((problem.id, number) in self.missing for number in numbers)
        }

    def keep(self, index: int, rollouts: tuple[Completion, ...]) -> None:
        """Pass on what was missing."""
        problem = self.problems[index]
        new = [(i, rollout) for i, rollout in enumerate(rollouts, self.first) if (problem.id, i) in self.missing]
        self.grader.add(problem, new)
        self.progress.advance(len(new))


def judge_again(job: Job, verifier: Verifier, store: SampleStore) -> int:
    """Judge by the present rules what others have judged; says how many samples these were."""
    by_id = {problem.id: problem for problem in job.problems}

    def judge(rows: Sequence[Row]) -> list[Row]:
        known = [row for row in rows if row["problem_id"] in by_id]
        verdicts = verifier.grade([(by_id[row["problem_id"]], row["text"]) for row in known])
        new = [
            {**row, "status": verdict.status, "answer": verifier.answer(row["text"]), "rules": job.rules}
            for row, verdict in zip(known, verdicts, strict=True)
        ]
        return new + [row for row in rows if row["problem_id"] not in by_id]

    return store.judge_again(job.rules, judge)


class Grader:
    """Judges and stores in a thread of its own, a batch at a time; its errors come up at the next call."""

    def __init__(self, job: Job, verifier: Verifier, store: SampleStore) -> None:
        self.job, self.verifier, self.store = job, verifier, store
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._running: list[Future[None]] = []
        self._waiting: list[tuple[Problem, int, Completion]] = []
        self._since = time.monotonic()

    def add(self, problem: Problem, rollouts: Sequence[tuple[int, Completion]]) -> None:
        """Take a problem's completions and their numbers."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting += [(problem, number, rollout) for number, rollout in rollouts]
        if len(self._waiting) >= BATCH or time.monotonic() - self._since > WAIT_S:
            self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is waiting, also when sampling has failed: it was paid for."""
        self._send()
        self._thread.shutdown(wait=True)
        self._raise()

    def _send(self) -> None:
        self._raise()
        if self._waiting:
            self._running.append(self._thread.submit(self._judge, self._waiting))
            self._waiting = []

    def _raise(self) -> None:
        for future in [future for future in self._running if future.done()]:
            self._running.remove(future)
            future.result()

    def _judge(self, batch: Sequence[tuple[Problem, int, Completion]]) -> None:
        verdicts = self.verifier.grade([(problem, rollout.text) for problem, _, rollout in batch])
        pairs = zip(batch, verdicts, strict=True)
        self.store.append([self._row(*item, verdict.status) for item, verdict in pairs])

    def _row(self, problem: Problem, number: int, rollout: Completion, status: str) -> Row:
        return {
            "problem_id": problem.id,
            "prompt": prompt_name(problem),
            "sample": number,
            "status": status,
            "rules": self.job.rules,
            "answer": self.verifier.answer(rollout.text),
            "finish": rollout.finish,
            "tokens": len(rollout.token_ids),
            "logp": sum(rollout.logps),
            "text": rollout.text,
        }
