"""Samples that an evaluation kept, checked against its counts."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rlvr.eval import Evaluation, kept_samples
from rlvr.eval.kept import SCHEMA, text_id
from rlvr.report.runs import RunFolder


@dataclass(frozen=True)
class Samples:
    """Every sample of an evaluation, `rlvr.eval.kept.SCHEMA` its columns."""

    table: pa.Table

    @cached_property
    def right_counts(self) -> dict[str, int]:
        """Right answers by problem, where there are any."""
        return {problem: sum(counts) for problem, counts in self.right_texts.items()}

    @cached_property
    def right_texts(self) -> dict[str, list[int]]:
        """By problem, how often each different right text was written."""
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
        """Whether these are the samples that the counts were made of, as far as can be seen."""
        counted = tuple(self.right_counts.get(problem, 0) for problem in evaluation.problem_ids)
        return self.table.num_rows == evaluation.n * len(evaluation.problem_ids) and counted == evaluation.correct


def read_samples(run: RunFolder, split: str, policy: str, evaluation: Evaluation) -> Samples | None:
    """The samples of base or trained policy on a set of problems; None where they are not there or not the same."""
    path = kept_samples(run.folder, split, policy)
    samples = Samples(pq.read_table(path)) if path.is_file() else _of_outcome(run, split, policy)
    return samples if samples is not None and samples.agrees_with(evaluation) else None


def _of_outcome(run: RunFolder, split: str, policy: str) -> Samples | None:
    """From the folder to which `src/eval.py` writes samples; the prompts are not in it."""
    outcome = next((found for name, which, found in run.texts if (name, which) == (split, policy)), None)
    if outcome is None or not Path(outcome.samples).is_dir():
        return None
    table = pq.read_table(outcome.samples, columns=[name for name in SCHEMA.names if name not in ("prompt", "text_id")])
    asked = pc.is_in(table["problem_id"], pa.array(outcome.evaluation.problem_ids))
    table = table.filter(pc.and_(asked, pc.less(table["sample"], outcome.evaluation.n)))
    ids = pa.array([text_id(text) for text in table["text"].to_pylist()], pa.int64())
    prompts = pa.nulls(table.num_rows, pa.string())
    return Samples(table.append_column("text_id", ids).append_column("prompt", prompts))
