"""Runs whose counts are made up, so that a report's words can be held against them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from rlvr.eval import Evaluation, RunRecord, SplitRecord, sample_file
from rlvr.eval.cross import SAMPLES, SCHEMA, CrossRecord, by_position, top_sum
from rlvr.report.pool import pool
from rlvr.report.runs import RunFolder
from rlvr.report.study import Study
from rlvr.step import write_table

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


def scored(folder: Path, one: RunRecord, kl: Mapping[int, float], base: pa.Table, trained: pa.Table) -> None:
    """Leave in a run's folder what scoring under both policies leaves; `kl`: of every problem, at each evaluation."""
    ids = one.splits["heldout"].path[0].problem_ids
    CrossRecord(SAMPLES, 1.0, ids, {step: (value,) * len(ids) for step, value in kl.items()}).write(folder)
    write_table(sample_file(folder, "heldout", "cross"), pa.concat_tables([base, trained]))


def scores(
    policy: str, base_logp_PN: np.ndarray, trained_logp_PN: np.ndarray, right_PN: np.ndarray, entropy_T: np.ndarray
) -> pa.Table:
    """Samples that all have the same entropies, token by token."""
    rows = [
        {"policy": policy, "problem_id": f"p{p}", "sample": n, "right": bool(right_PN[p, n]), "tokens": len(entropy_T)}
        | {"base_logp": float(base_logp_PN[p, n]), "trained_logp": float(trained_logp_PN[p, n])}
        | {"entropy": by_position(entropy_T).tolist(), "top_entropy": top_sum(entropy_T)}
        for p, n in np.ndindex(right_PN.shape)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
