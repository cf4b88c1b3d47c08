"""What runs learned from, against their samples and the base's evaluation, read without the package."""

import shutil
from collections import defaultdict
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from figures import coloured
from on_disk import METHODS, N, Samples, rows_of

from rlvr.report import report_together

BINS = {"up to 6 %": (0, 1), "6 to 25 %": (2, 4), "25 to 50 %": (5, 8), "above 50 %": (9, 16)}  # right ones of 16


def rollouts(samples: Samples, algo: str, seed: int) -> dict[str, list[float]]:
    """By problem, |advantage x weight| of every completion of the training."""
    found = defaultdict(list)
    for row in pq.read_table(samples.folder[f"{algo}{seed}"] / "samples.parquet").to_pylist():
        found[row["problem_id"]].append(abs(row["advantage"]))
    return found


def grpo_size(p: float, n: int) -> float:
    """Mean |A| of GRPO by the definition: over all m, the mean of |r - mean| / std."""
    total = 0.0
    for m in range(1, n):
        reward_G = np.array([1.0] * m + [0.0] * (n - m))
        sizes = np.abs(reward_G - reward_G.mean()) / (reward_G.std(ddof=1) + 1e-6)
        total += comb(n, m) * p**m * (1 - p) ** (n - m) * sizes.mean()
    return total


def test_shares_and_means(report: Path, samples: Samples):
    """Of every bin of every run."""
    rows = {(row["method"], row["seed"], row["base_rate"]): row for row in rows_of(report, "learned")}
    assert len(rows) == 4 * len(BINS)
    (group,) = {len(one) for one in groups_of(samples)}
    learned = 0  # of four short runs some have no gradient on these problems
    for (label, algo), seed in product(METHODS.items(), (0, 1)):
        base, drawn = samples.counts(label, "train", "base", seed), rollouts(samples, algo, seed)
        asked = {problem: sizes for problem, sizes in drawn.items() if problem in base}
        assert asked
        everything = sum(map(sum, asked.values()))
        learned += everything > 0
        for name, (low, high) in BINS.items():
            row = rows[label, str(seed), name]
            here = {problem: sizes for problem, sizes in asked.items() if low <= base[problem] <= high}
            count = sum(map(len, here.values()))
            assert int(row["completions"]) == count
            assert float(row["size_share"]) == pytest.approx(sum(map(sum, here.values())) / (everything or 1), abs=1e-6)
            if not count:
                assert row["size"] == row["predicted"] == ""
                continue
            assert float(row["size"]) == pytest.approx(sum(map(sum, here.values())) / count, rel=1e-5)
            predicted = sum(len(sizes) * grpo_size(base[problem] / N, group) for problem, sizes in here.items())
            # The curve is read off between its points, and at its ends instead of at 0 and 1.
            assert float(row["predicted"]) == pytest.approx(predicted / count, rel=0.02, abs=0.01)
    assert learned >= 2


def groups_of(samples: Samples) -> list[list[dict]]:
    """Completions of a problem at a version; a problem is drawn once at a time."""
    found = defaultdict(list)
    for row in pq.read_table(samples.folder["grpo0"] / "samples.parquet").to_pylist():
        found[row["problem_id"], row["version"]].append(row)
    return list(found.values())


def test_the_section(report: Path):
    assert coloured(report / "figures" / "learned.png") > 1000
    assert "## What was learned from" in (report / "report.md").read_text()


@pytest.mark.full
def test_runs_that_left_less(four_runs: list[Path], tmp_path: Path):
    """Without f(p) there is no prediction; without samples there is no section."""
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in four_runs[:1]]
    (folders[0] / "f_of_p.csv").unlink()
    report_together(folders, tmp_path / "unpredicted")
    assert all("predicted" not in row for row in rows_of(tmp_path / "unpredicted", "learned"))
    shutil.rmtree(folders[0] / "samples.parquet")
    report_together(folders, tmp_path / "none")
    assert not (tmp_path / "none" / "csv" / "learned.csv").exists()
    assert "What was learned from" not in (tmp_path / "none" / "report.md").read_text()
