"""Shows which problems a run learned from: the size of its advantages by the base's success rate on the problem."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.difficulty import BIN_NAMES, difficulty_bin
from rlvr.report.profiles import read_sizes
from rlvr.report.runs import RunFolder
from rlvr.step import read_table
from rlvr.tables import Row


def learned_from(run: RunFolder) -> list[Row]:
    """One row for each bin of the base's success rate, over the training problems that the base was evaluated on.

    `size` is the mean |advantage x weight| of a completion. `predicted` is the mean that follows from the advantages of
    f(p) for the same completions if the policy keeps the base's success rates. Empty where a run kept no samples.
    """
    samples, split = run.folder / "samples.parquet", run.record.splits.get("train")
    if run.texts or split is None or not samples.is_dir():
        return []
    rate = {name: right / split.base.n for name, right in zip(split.base.problem_ids, split.base.correct, strict=True)}
    table = read_table(samples, ["problem_id", "advantage"])
    table = table.filter(pc.is_in(table["problem_id"], pa.array(list(rate))))
    sizes = pa.table({"problem_id": table["problem_id"], "size": pc.abs(table["advantage"])})
    found = sizes.group_by("problem_id").aggregate([("size", "sum"), ("size", "count")])
    if not found.num_rows:  # a short run may have sampled none of these problems
        return []
    rate_P = np.array([rate[name] for name in found["problem_id"].to_pylist()])
    bin_P = np.array([difficulty_bin(one) for one in rate_P])
    count_P = found["size_count"].to_numpy().astype(float)
    columns: dict[str, FloatArray] = {"size": found["size_sum"].to_numpy()}
    if curve := read_sizes(run.folder):
        columns["predicted"] = count_P * np.interp(rate_P, *curve)
    return [_row(name, bin_P == index, count_P, columns) for index, name in enumerate(BIN_NAMES)]


def _row(name: str, here_P: FloatArray, count_P: FloatArray, columns: dict[str, FloatArray]) -> Row:
    """The row of one bin: means over its completions, and its shares of the totals over all bins."""
    count = count_P[here_P].sum()
    row: Row = {"base_rate": name, "completions": int(count), "completions_share": float(count / count_P.sum())}
    for column, total_P in columns.items():
        here, everywhere = float(total_P[here_P].sum()), float(total_P.sum())
        row[column] = here / count if count else None
        row[f"{column}_share"] = here / everywhere if everywhere else 0.0
    return row
