"""The report beyond Pass@k, against numbers made again from what is on disk."""

from collections import defaultdict
from itertools import groupby, pairwise, product
from pathlib import Path

import numpy as np
import pytest
from on_disk import KS, METHODS, SPLITS, N, Samples, rows_of

from rlvr.report.sections.beyond import cover_rows


def test_beyond_pass_at_k(report: Path, samples: Samples):
    """Log-coverage, stability, what was kept and what is new, from the samples on disk."""
    rows = {(row["split"], row["policy"], row["measure"]): row for row in rows_of(report, "beyond")}
    assert len(rows) == len(SPLITS) * (6 + 9 * len(METHODS))
    harmonic = [sum(1 / k for k in range(1, c + 1)) for c in range(N + 1)]
    for split, label in product(SPLITS, METHODS):
        pairs = [
            [list(samples.counts(label, split, policy, seed).values()) for policy in ("base", "trained")]
            for seed in (0, 1)
        ]
        both = [(before, now) for base, trained in pairs for before, now in zip(base, trained, strict=True)]
        now_counts = [now for _, now in both]
        expected = {
            "log-coverage": np.mean([harmonic[N] - harmonic[c] for c in now_counts]),
            f"G-Pass@{N}": np.mean([c >= N / 2 for c in now_counts]),
            "retention": sum(b > 0 < now for b, now in both) / max(sum(b > 0 for b, _ in both), 1),
            "discovery": sum(b == 0 < now for b, now in both) / max(sum(now > 0 for _, now in both), 1),
        }
        for name, value in expected.items():
            row = rows[split, label, name]
            assert float(row["mean"]) == pytest.approx(value), (split, label, name)
            assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
        # Of these very problems; the samples of both seeds count.
        variance = sum((c + 1) * (N - c + 1) for c in now_counts) / ((N + 2) ** 2 * (N + 3)) / len(now_counts) ** 2
        assert float(rows[split, label, "Bayes"]["sd"]) == pytest.approx(variance**0.5)
        covered = [float(rows[split, label, f"Cover@{tau}"]["mean"]) for tau in (0.5, 0.1, 0.01)]
        assert 0 < covered[0] < covered[1] < covered[2] < 1


def test_the_samples_of_a_base_count_once(report: Path, samples: Samples):
    """Both seeds began with one base and share its evaluation, or had one each."""
    rows = {(row["split"], row["policy"], row["measure"]): row for row in rows_of(report, "beyond")}
    for split in SPLITS:
        counts = {tuple(samples.counts("GRPO", split, "base", seed).values()) for seed in (0, 1)}
        every = [c for one in counts for c in one]
        variance = sum((c + 1) * (N - c + 1) for c in every) / ((N + 2) ** 2 * (N + 3)) / len(every) ** 2
        assert float(rows[split, "base", "Bayes"]["sd"]) == pytest.approx(variance**0.5)


def test_cover_falls_with_tau(report: Path):
    """From a few times 1/n on, below which there is only the prior."""
    curves = defaultdict(list)
    for row in rows_of(report, "cover"):
        curves[row["split"], row["policy"]].append(float(row["mean"]))
    assert set(curves) == set(product(SPLITS, ["base", *METHODS]))
    for curve in curves.values():
        assert all(after <= before for before, after in pairwise(curve))
        assert curve[0] > curve[-1] >= 0


@pytest.mark.parametrize("n", [1, 2, 4, 64])
def test_the_curve_of_a_few_samples(n: int):
    """It begins where rates were seen, and below 1 even for the n of a run of seconds."""
    counts = np.array([[0, n]])
    curve = cover_rows("heldout", {"base": (n, counts)})
    taus = [float(row["tau"]) for row in curve]
    assert 0 < taus[0] < taus[-1] < 1
    assert all(0 <= float(row["mean"]) <= 1 for row in curve)


def test_bands_hold_the_curves_of_the_samples_on_disk(report: Path, samples: Samples):
    """The mean difference at every k, wider than its pointwise interval, and the share of curves that have crossed."""
    rows = rows_of(report, "bands")
    assert len(rows) == len(SPLITS) * len(METHODS) * len(KS)
    alone = {
        (row["split"], row["policy"], row["k"]): row for row in rows_of(report, "pass_at_k") if row["minus"] == "base"
    }
    for row in rows:
        base, now = (
            samples.pass_at(row["method"], row["split"], policy, int(row["k"])) for policy in ("base", "trained")
        )
        assert float(row["mean"]) == pytest.approx(now - base)
        one = alone[row["split"], row["method"], row["k"]]
        assert [float(row[f"alone_{end}"]) for end in ("low", "high")] == [float(one[end]) for end in ("low", "high")]
        width, pointwise = (float(each["high"]) - float(each["low"]) for each in (row, one))
        assert width > pointwise
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    for _, group in groupby(rows, key=lambda row: (row["split"], row["method"])):
        shares = [float(row["crossed_by"]) for row in group]
        assert shares == sorted(shares)
    last = {(row["split"], row["method"]): float(row["crossed_by"]) for row in rows if row["k"] == str(N)}
    for row in rows_of(report, "crossing"):
        assert float(row["share_of_resamples"]) == pytest.approx(last[row["split"], row["method"]])


def test_unseen_losses_of_the_samples_on_disk(report: Path, samples: Samples):
    """Of what each seed's base solved, the problems that it solved less often than a claim takes."""
    rows = [row for row in rows_of(report, "power") if row["least"]]
    assert len(rows) == len(SPLITS) * len(METHODS) * 2
    for row in rows:
        counts = samples.counts(row["method"], row["split"], "base", int(row["seed"])).values()
        assert int(row["solved"]) == sum(count > 0 for count in counts)
        assert int(row["unseen"]) == sum(0 < count < int(row["least"]) for count in counts)
    for row in rows_of(report, "power"):
        if not row["least"]:
            assert int(row["problems_needed"]) >= int(row["problems"]) * (float(row["difference"]) / 0.03) ** 2 - 1e-6
