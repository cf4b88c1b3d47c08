"""Reads the samples of an evaluation, and checks them against its counts of right answers."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rlvr.eval import Evaluation, sample_file
from rlvr.report.runs import RunFolder
from rlvr.step import read_table

READ = ("problem_id", "prompt", "sample", "status", "text_id", "text")


@dataclass(frozen=True)
class Samples:
    """Every sample of an evaluation, with the columns `READ` of `rlvr.step.table.SCHEMA`."""

    table: pa.Table

    @cached_property
    def right_counts(self) -> dict[str, int]:
        """Number of right answers by problem, for problems that have any."""
        return {problem: sum(counts) for problem, counts in self.right_texts.items()}

    @cached_property
    def right_texts(self) -> dict[str, list[int]]:
        """For each problem, how often each different right text was written."""
        right = self.table.filter(pc.equal(self.table["status"], "right"))
        grouped = right.group_by(["problem_id", "text_id"]).aggregate([([], "count_all")])
        found: dict[str, list[int]] = defaultdict(list)
        for problem, count in zip(grouped["problem_id"].to_pylist(), grouped["count_all"].to_pylist(), strict=True):
            found[problem].append(count)
        return dict(found)

    def of(self, problem: str) -> list[dict[str, object]]:
        """The samples of a problem."""
        rows: list[dict[str, object]] = self.table.filter(pc.equal(self.table["problem_id"], problem)).to_pylist()
        return rows

    def agrees_with(self, evaluation: Evaluation) -> bool:
        """Whether numbers of samples and of right answers are those of the evaluation."""
        counted = tuple(self.right_counts.get(problem, 0) for problem in evaluation.problem_ids)
        return self.table.num_rows == evaluation.n * len(evaluation.problem_ids) and counted == evaluation.correct


def read_samples(run: RunFolder, split: str, policy: str, evaluation: Evaluation) -> Samples | None:
    """The samples of base or trained policy on a set of problems; None where missing or not those of the evaluation."""
    if run.given is not None:
        table = run.given[policy]
        return None if table is None else Samples(table)
    path = sample_file(run.folder, split, policy)
    samples = Samples(read_table(path, READ)) if path.is_file() else _of_outcome(run, split, policy)
    return samples if samples is not None and samples.agrees_with(evaluation) else None


def _of_outcome(run: RunFolder, split: str, policy: str) -> Samples | None:
    """The samples from the folder of `src/eval.py`, reduced to those of the evaluation; None where there are none."""
    outcome = next((found for name, which, found in run.texts if (name, which) == (split, policy)), None)
    if outcome is None or not Path(outcome.samples).is_dir():
        return None
    table = read_table(Path(outcome.samples), READ)
    asked = pc.is_in(table["problem_id"], pa.array(outcome.evaluation.problem_ids))
    return Samples(table.filter(pc.and_(asked, pc.less(table["sample"], outcome.evaluation.n))))
