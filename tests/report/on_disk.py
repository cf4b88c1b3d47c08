"""What the report's tests compare it with: the runs' files, read without the package."""

import csv
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

N = 16
KS = [1, 2, 4, 8, 16]
SPLITS = {"heldout": 24, "train": 16}
METHODS = {"GRPO": "grpo", "SELF": "self"}
PATH = 12


class Samples:
    """What the runs have on disk, read without the package."""

    def __init__(self, folders: list[Path]) -> None:
        self.folder = {folder.name: folder for folder in folders}
        self.rows: dict[tuple[str, str, str, int], list[dict]] = {}
        for (label, algo), split, policy, seed in product(METHODS.items(), SPLITS, ("base", "trained"), (0, 1)):
            path = self.folder[f"{algo}{seed}"] / "evaluations" / f"{split}-{policy}.parquet"
            self.rows[label, split, policy, seed] = pq.read_table(path).to_pylist()

    def counts(self, label: str, split: str, policy: str, seed: int) -> dict[str, int]:
        """Right answers by problem, in order."""
        found = dict.fromkeys((row["problem_id"] for row in self.rows[label, split, policy, seed]), 0)
        for row in self.rows[label, split, policy, seed]:
            found[row["problem_id"]] += row["status"] == "right"
        return found

    def pass_at(self, label: str, split: str, policy: str, k: int, problems: int | None = None) -> float:
        """Over seeds and the first problems, by the definition."""
        counts = [list(self.counts(label, split, policy, seed).values())[:problems] for seed in (0, 1)]
        return float(np.mean([[1 - comb(N - c, k) / comb(N, k) for c in row] for row in counts]))


def rows_of(report: Path, name: str, empty: bool = False) -> list[dict[str, str]]:
    """All rows of a table; one that is empty by mistake would pass every test that goes through its rows."""
    with (report / "csv" / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert empty is not bool(rows), f"{name}.csv has {len(rows)} rows"
    return rows
