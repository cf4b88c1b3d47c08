"""Sampling for an evaluation that may be killed: graded while sampling goes on, written as it finishes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from rlvr.console import Bar, bar
from rlvr.eval.store import SampleStore
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling, call_seed
from rlvr.step import Grader, Row, rows_of, stream_groups
from rlvr.step.table import prompt_id
from rlvr.types import Group, Problem
from rlvr.verify import Verifier

# Completions in one engine call: few calls, whose results still fit into memory.
CALL = 8192
FIRST_SEGMENT, LAST_SEGMENT = 8, 64


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
    mine: Sequence[Problem] = ranks.shard(job.problems)
    most = -(-len(job.problems) // ranks.size)  # so that ranks which share an engine make as many calls
    asked = {(problem.id, prompt_id(problem), i) for problem in mine for i in range(job.n)}
    held = ("problem_id", "prompt_id", "sample")
    missing = {(problem, i) for problem, _, i in asked - {tuple(row.values()) for row in store.read(held)}}
    progress: Bar

    def store_new(groups: Sequence[tuple[int, Group]]) -> None:
        """Store what was missing: a call samples a problem again where it lacks some of the call's samples only."""
        rows = [row for first, group in groups for row in graded_rows(group, first, job.rules, verifier)]
        new = [row for row in rows if (row["problem_id"], row["sample"]) in missing]
        store.append(new)
        progress.advance(len(new))

    with bar("Sampling", len(asked), len(asked) - len(missing)) as progress, Grader(verifier, 0, store_new) as grader:
        for first, count in segments(job.n):
            for start in range(0, most, CALL // count):
                chunk = mine[start : start + CALL // count]
                done = complete(chunk, range(first, first + count), missing)
                stream_groups(engine, grader, chunk, count, job.sampling, call_seed(job.seed, first), first, done)


def complete(problems: Sequence[Problem], numbers: range, missing: set[tuple[str, int]]) -> set[int]:
    """Indices of the problems that miss none of these samples."""
    needed = [any((problem.id, number) in missing for number in numbers) for problem in problems]
    return {index for index, need in enumerate(needed) if not need}


def graded_rows(group: Group, first: int, rules: str, verifier: Verifier) -> list[Row]:
    """A group's rows with the answers that vote and the name of the rules that judged."""
    answers = [verifier.answer(one.text) for one in group.completions]
    return rows_of(group, first, answer=answers, rules=[rules] * len(answers))


def judge_again(job: Job, verifier: Verifier, store: SampleStore) -> int:
    """Judge by the present rules what others have judged; says how many samples these were."""
    by_id = {problem.id: problem for problem in job.problems}

    def judge(rows: Sequence[Row]) -> list[Row]:
        known = [row for row in rows if row["problem_id"] in by_id]
        verdicts = verifier.grade([(by_id[row["problem_id"]], row["text"]) for row in known])
        new = [
            {**row, **asdict(verdict), "answer": verifier.answer(row["text"]), "rules": job.rules}
            for row, verdict in zip(known, verdicts, strict=True)
        ]
        return new + [row for row in rows if row["problem_id"] not in by_id]

    return store.judge_again(job.rules, judge)
