"""Runs whose counts are made up, so that a report's words can be held against them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rlvr.eval import Evaluation, RunRecord, SplitRecord
from rlvr.report.pool import pool
from rlvr.report.runs import RunFolder
from rlvr.report.study import Study

Counts = Sequence[int] | np.ndarray


def evaluation(correct: Counts, n: int) -> Evaluation:
    ids = tuple(f"p{index}" for index in range(len(correct)))
    return Evaluation(n, ids, tuple(int(c) for c in correct), 1.0, 0.0, 0.5)


def record(
    label: str, base: Counts, now: Counts, n: int, seed: int = 0, way: Mapping[int, Counts] | None = None
) -> RunRecord:
    """A run on the held-out problems; `way`: right answers at evaluations along the way."""
    path = {0: evaluation(base, n), **{step: evaluation(c, n) for step, c in way.items()}} if way else {}
    return RunRecord(label, seed, {"heldout": SplitRecord(evaluation(base, n), evaluation(now, n), path=path)})


def study_of(*records: RunRecord) -> Study:
    """As if they had been read."""
    runs = [RunFolder(Path("nowhere"), one) for one in records]
    return Study(runs, {"heldout": pool(runs, "heldout")}, [])


def written(folder: Path, *records: RunRecord) -> list[Path]:
    """Run folders that hold nothing else."""
    folders = []
    for index, one in enumerate(records):
        folders.append(folder / f"run{index}")
        folders[-1].mkdir()
        one.write(folders[-1])
    return folders
