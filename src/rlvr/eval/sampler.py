"""Sampling for an evaluation that may be killed: graded while sampling goes on, written as it finishes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rlvr.console import Bar, bar
from rlvr.eval.store import SampleStore
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling, call_seed
from rlvr.step import Grader, stream_groups, table_of
from rlvr.step.table import columns_of, prompt_id, with_columns
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

    def places(self, table: pa.Table) -> NDArray[np.int64]:
        """Where each of R rows stands among the job's P x n samples, problem by problem; -1: it is none of them."""
        names = pa.array([f"{problem.id} {prompt_id(problem)}" for problem in self.problems])
        name_R = pc.binary_join_element_wise(table["problem_id"], table["prompt_id"], " ")
        problem_R = pc.fill_null(pc.index_in(name_R, names), -1).to_numpy().astype(np.int64)
        sample_R = table["sample"].to_numpy()
        return np.where((problem_R >= 0) & (sample_R < self.n), problem_R * self.n + sample_R, -1)


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
    place_R = replace(job, problems=mine).places(store.read(("problem_id", "prompt_id", "sample")))
    missing_PN = np.ones((len(mine), job.n), dtype=bool)
    missing_PN.flat[place_R[place_R >= 0]] = False
    row = {problem.id: missing_N for problem, missing_N in zip(mine, missing_PN, strict=True)}
    progress: Bar

    def store_new(groups: Sequence[tuple[int, Group]]) -> None:
        """Store what was missing: a call samples a problem again where it lacks some of the call's samples only."""
        new = [row[group.problem.id][first : first + len(group.completions)] for first, group in groups]
        table = graded(groups, job.rules, verifier).filter(pa.array(np.concatenate(new)))
        store.append(table)
        progress.advance(table.num_rows)

    left = int(missing_PN.sum())
    with bar("Sampling", missing_PN.size, missing_PN.size - left) as progress, Grader(verifier, 0, store_new) as grader:
        for first, count in segments(job.n):
            for start in range(0, most, CALL // count):
                chunk = slice(start, start + CALL // count)
                done = set(np.flatnonzero(~missing_PN[chunk, first : first + count].any(axis=1)).tolist())
                stream_groups(engine, grader, mine[chunk], count, job.sampling, call_seed(job.seed, first), first, done)


def right_answers(job: Job, store: SampleStore) -> NDArray[np.int64]:
    """Right answers of each of the job's P problems, all of whose samples are in the store."""
    table = store.read(("problem_id", "prompt_id", "sample", "status"))
    place_R = job.places(table)
    right_R = pc.equal(table["status"], "right").to_numpy()
    right_PN = np.full((len(job.problems), job.n), -1, dtype=np.int64)
    right_PN.flat[place_R[place_R >= 0]] = right_R[place_R >= 0]
    assert (right_PN >= 0).all(), f"{store.folder} lacks samples"
    return np.asarray(right_PN.sum(axis=1))


def graded(groups: Sequence[tuple[int, Group]], rules: str, verifier: Verifier) -> pa.Table:
    """A table of groups with the answers that vote and the name of the rules that judged."""
    firsts, of_problem = zip(*groups, strict=True)
    texts = [one.text for group in of_problem for one in group.completions]
    return table_of(of_problem, firsts, answer=answers_to(texts, verifier), rules=[rules] * len(texts))


def answers_to(texts: Sequence[str], verifier: Verifier) -> list[str]:
    """Final answers, read once where texts are the same."""
    read = {text: verifier.answer(text) for text in set(texts)}
    return [read[text] for text in texts]


def judge_again(job: Job, verifier: Verifier, store: SampleStore) -> int:
    """Judge by the present rules what others have judged; says how many samples these were."""
    by_id = {problem.id: problem for problem in job.problems}

    def judge(table: pa.Table) -> pa.Table:
        known = pc.is_in(table["problem_id"], pa.array(list(by_id)))
        old = table.filter(known)
        texts = old["text"].to_pylist()
        problems = [by_id[name] for name in old["problem_id"].to_pylist()]
        verdicts = verifier.grade(list(zip(problems, texts, strict=True)))
        answers, rules = answers_to(texts, verifier), [job.rules] * len(texts)
        new = with_columns(old, **columns_of(verdicts), answer=answers, rules=rules)
        return pa.concat_tables([new, table.filter(pc.invert(known))])

    return store.judge_again(job.rules, judge)
