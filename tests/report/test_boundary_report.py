"""The report over four small runs: every CSV against numbers made again from what is on disk, and the page itself."""

import csv
from collections import Counter, defaultdict
from itertools import pairwise, product
from math import comb, inf, log2
from pathlib import Path

import numpy as np
import pytest
from on_disk import KS, METHODS, PATH, SPLITS, N, Samples, rows_of

from rlvr.report.runs import measured, read_metrics


def test_pass_at_k(report: Path, samples: Samples):
    """Means of base, methods and differences at every k; an interval around each."""
    rows = [row for row in rows_of(report, "pass_at_k") if row["policy"] != "random guess"]
    assert len(rows) == 2 * 5 * (3 + 2 + 1)
    for row in rows:
        k, split = int(row["k"]), row["split"]

        def found(policy: str, k: int = k, split: str = split) -> float:
            label, which = ("GRPO", "base") if policy == "base" else (policy, "trained")
            return samples.pass_at(label, split, which, k)

        mean = found(row["policy"]) - (found(row["minus"]) if row["minus"] else 0)
        assert float(row["mean"]) == pytest.approx(mean, abs=1e-12)
        assert float(row["low"]) - 1e-12 <= mean <= float(row["high"]) + 1e-12


def test_crossing(report: Path, samples: Samples):
    """The first k where the method's mean is below the base's, interpolated on log2 k."""
    rows = rows_of(report, "crossing")
    assert sorted((row["split"], row["method"]) for row in rows) == sorted(product(SPLITS, METHODS))
    for row in rows:
        base, trained = ([samples.pass_at(row["method"], row["split"], p, k) for k in KS] for p in ("base", "trained"))
        gap = [now - before for now, before in zip(trained, base, strict=True)]
        below = next((i for i, value in enumerate(gap) if value < 0), None)
        if below is None:
            expected = inf
        elif below == 0:
            expected = 1.0
        else:
            share = gap[below - 1] / (gap[below - 1] - gap[below])
            expected = 2 ** (log2(KS[below - 1]) + share * (log2(KS[below]) - log2(KS[below - 1])))
        assert float(row["k_star"]) == pytest.approx(expected)


def test_ledger(report: Path, samples: Samples):
    """Counts and lists at the last step by brute force."""
    listed = defaultdict(list)
    for row in rows_of(report, "ledger_problems"):
        if not row["step"]:
            key = (row["split"], row["method"], row["seed"], row["kind"])
            listed[key].append((row["problem_id"], int(row["base"]), int(row["now"]), float(row["p"])))
    last = [row for row in rows_of(report, "ledger") if not row["step"]]
    assert len(last) == 8
    for row in last:
        key = (row["method"], row["split"])
        base, now = (samples.counts(*key, policy, int(row["seed"])) for policy in ("base", "trained"))
        assert int(row["problems"]) == len(base) == SPLITS[row["split"]]
        assert int(row["base_coverage"]) == sum(c > 0 for c in base.values())
        assert int(row["coverage"]) == sum(c > 0 for c in now.values())
        for name, kind in (("entries", "entry"), ("losses", "loss")):
            before, after = (base, now) if kind == "entry" else (now, base)
            found = [
                (p, base[p], now[p], comb(N, after[p]) / comb(2 * N, after[p]))
                for p in base
                if before[p] == 0 and after[p] > 0
            ]
            assert int(row[name]) == len(found)
            assert int(row[f"{name}_0.05"]) == sum(change[3] < 0.05 for change in found)
            assert int(row[f"{name}_0.01"]) == sum(change[3] < 0.01 for change in found)
            assert sorted(listed[row["split"], row["method"], row["seed"], kind]) == sorted(found)
    assert any(listed.values())


def test_transitions_and_difficulty(report: Path, samples: Samples):
    """A row a problem, and shares of the classes that these rows fall into."""
    rows = rows_of(report, "transition")
    assert len(rows) == 4 * (24 + 16)
    for row in rows:
        for policy in ("base", "trained"):
            counts = samples.counts(row["method"], row["split"], policy, int(row["seed"]))
            assert int(row[policy]) == counts[row["problem_id"]]
    edges = [-1.0, 0.0, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 1.0]
    names = ["0", "to 1/64", "to 1/16", "to 1/4", "to 1/2", "to 1"]
    assert len(rows_of(report, "difficulty")) == 2 * 2 * len(names)
    for row in rows_of(report, "difficulty"):
        index = names.index(row["base_rate"])
        mine = [r for r in rows if (r["split"], r["method"]) == (row["split"], row["method"])]
        inside = [r for r in mine if edges[index] < int(r["base"]) / N <= edges[index + 1]]
        assert int(row["problems"]) == len(inside)
        if inside:
            assert float(row["solved"]) == pytest.approx(np.mean([int(r["trained"]) > 0 for r in inside]))
            assert float(row["pass@1"]) == pytest.approx(np.mean([int(r["trained"]) / N for r in inside]))
            assert float(row["base_pass@1"]) == pytest.approx(np.mean([int(r["base"]) / N for r in inside]))
    assert len(rows_of(report, "corners")) == 2 * 2
    for row in rows_of(report, "corners"):
        rates = [int(r["trained"]) / N for r in rows if (r["split"], r["method"]) == (row["split"], row["method"])]
        assert float(row["at_0"]) == pytest.approx(np.mean([rate == 0 for rate in rates]))
        assert float(row["above_0.9"]) == pytest.approx(np.mean([rate > 0.9 for rate in rates]))


def test_diversity(report: Path, samples: Samples):
    """Different right texts, counted, and the expected number among 8 by drawing."""
    rng = np.random.default_rng(0)
    drawn = 0
    for row in rows_of(report, "diversity"):
        for policy in ("base", "trained"):
            mine = samples.rows[row["method"], row["split"], policy, int(row["seed"])]
            right = [r["text"] for r in mine if r["problem_id"] == row["problem_id"] and r["status"] == "right"]
            assert int(row[f"{policy}_right"]) == len(right)
            assert int(row[f"{policy}_distinct"]) == len(set(right))
            assert (row[f"{policy}_different"] == "") == (len(right) < 8)
            if len(right) >= 8 and drawn < 5:
                drawn += 1
                mean = np.mean([len(set(rng.choice(right, 8, replace=False))) for _ in range(2000)])
                assert float(row[f"{policy}_different"]) == pytest.approx(mean, abs=0.1)
    assert drawn


def test_sample_pairs(report: Path, samples: Samples):
    """What is shown was sampled, as often as it says."""
    rows = rows_of(report, "sample_pairs")
    assert {row["method"] for row in rows} == set(METHODS)
    for row in rows:
        policy = "base" if row["policy"] == "base" else "trained"
        mine = samples.rows[row["method"], row["split"], policy, int(row["seed"])]
        times = Counter((r["status"], r["text"]) for r in mine if r["problem_id"] == row["problem_id"])
        assert times[row["verdict"], row["text"]] == int(row["times"])
        assert sum(count for (status, _), count in times.items() if status == "right") == int(row["right"])


def test_paths_start_at_the_base_and_end_at_the_trained_policy(report: Path, samples: Samples):
    """The first problems of both, and the tokens on the way from metrics.csv."""
    rows = rows_of(report, "paths")
    assert len(rows) == 2 * 4 * 5
    for row in rows:
        if row["step"] in ("0", "4"):
            policy = "base" if row["step"] == "0" else "trained"
            counts = list(samples.counts(row["method"], row["split"], policy, int(row["seed"])).values())[:PATH]
            assert float(row["pass@1"]) == pytest.approx(np.mean(counts) / N)
            assert float(row["pass@16"]) == pytest.approx(np.mean([c > 0 for c in counts]))
        folder = samples.folder[f"{METHODS[row['method']]}{row['seed']}"]
        with (folder / "metrics.csv").open() as file:
            steps = [r for r in csv.DictReader(file) if r["train/lr"] and int(r["step"]) <= int(row["step"])]
        tokens = sum(float(r["rollout/tokens"]) + float(r["rollout/greedy_tokens"]) for r in steps)
        assert float(row["generated_tokens"]) == pytest.approx(tokens)


def test_equal_tokens(report: Path):
    """The cheaper run of a seed at its end, the other where its path has as many tokens, from the paths' own CSV."""
    paths = defaultdict(list)
    for row in rows_of(report, "paths"):
        paths[row["split"], row["method"], row["seed"]].append(row)
    for share, split, (label, _) in product((0.5, 1.0), SPLITS, METHODS.items()):
        found = []
        for seed in ("0", "1"):
            budget = share * min(float(paths[split, name, seed][-1]["generated_tokens"]) for name in METHODS)
            x = [float(row["generated_tokens"]) for row in paths[split, label, seed]]
            found.append(np.interp(budget, x, [float(row["pass@16"]) for row in paths[split, label, seed]]))
        row = next(
            row
            for row in rows_of(report, "equal_tokens")
            if (row["split"], row["policy"], row["minus"], row["k"]) == (split, label, "", "16")
            and float(row["share_of_tokens"]) == share
        )
        assert float(row["mean"]) == pytest.approx(np.mean(found))


def curves_of(report: Path) -> dict[tuple[str, str, str], list[tuple[float, float]]]:
    """Pass@1 and Pass@16 along each path, by split, method and seed."""
    curves = defaultdict(list)
    for row in rows_of(report, "paths"):
        curves[row["split"], row["method"], row["seed"]].append((float(row["pass@1"]), float(row["pass@16"])))
    return curves


def first_where(curve: list[tuple[float, float]], level: float) -> tuple[float, float]:
    """Both values where the first reaches a level, on a straight line between two evaluations."""
    for (one, many), (next_one, next_many) in pairwise(curve):
        if one >= level:
            return one, many
        if next_one >= level:
            way = (level - one) / (next_one - one)
            return level, many + way * (next_many - many)
    raise AssertionError(f"never {level}")


def test_equal_gain(risen: Path):
    """Where each run first has a Pass@1 that both of its seed reach, and half of that gain, from the paths' own CSV."""
    curves = curves_of(risen)
    rows = [row for row in rows_of(risen, "equal_pass1") if row["policy"] in METHODS and not row["minus"]]
    assert {row["k"] for row in rows} == {"1", "4", "16"}
    assert len(rows) == 2 * 2 * 2 * 3  # shares, splits, methods, ks
    for row in rows:
        found = []
        for seed in ("0", "1"):
            start = curves[row["split"], row["policy"], seed][0][0]
            top = min(max(one for one, _ in curves[row["split"], label, seed]) for label in METHODS)
            level = start + float(row["share_of_gain"]) * (top - start)
            found.append(first_where(curves[row["split"], row["policy"], seed], level))
            assert level > start
        if row["k"] in ("1", "16"):
            expected = np.mean(found, axis=0)[0 if row["k"] == "1" else 1]
            assert float(row["mean"]) == pytest.approx(expected)


def test_early_stopped(risen: Path):
    """The best Pass@16 of GRPO's path among evaluations above the base's Pass@1: before it lost a problem."""
    curves = curves_of(risen)
    for split in SPLITS:
        best = []
        for seed in ("0", "1"):
            path = curves[split, "GRPO", seed]
            best += [max(many for one, many in path[1:] if one > path[0][0])]
            assert best[-1] > path[-1][1]
        rows = [r for r in rows_of(risen, "early_stopped") if r["split"] == split and r["k"] == "16" and not r["minus"]]
        found = {row["policy"]: float(row["mean"]) for row in rows}
        assert set(found) == {"base", *METHODS, "GRPO, stopped early"}
        assert found["GRPO, stopped early"] == pytest.approx(np.mean(best))


def test_no_gain_no_table(report: Path):
    """What these trainings did not reach is said in words."""
    page = (report / "report.md").read_text()
    for name, note in (("equal_pass1", "No table at equal Pass@1"), ("early_stopped", "No early-stopped GRPO")):
        lines = (report / "csv" / f"{name}.csv").read_text().splitlines()[1:]  # perhaps none
        missing = set(SPLITS) - {line.split(",")[0] for line in lines}
        assert page.count(note) == len(missing), name


def test_training_and_timings(report: Path, samples: Samples):
    """Rows of metrics.csv as they are, and mean seconds without the first step."""
    rows = rows_of(report, "training")
    assert len(rows) == 4 * 4
    assert sorted((row["method"], row["seed"]) for row in rows_of(report, "timings")) == sorted(
        product(METHODS, ("0", "1"))
    )
    for row in rows_of(report, "timings"):
        with (samples.folder[f"{METHODS[row['method']]}{row['seed']}"] / "metrics.csv").open() as file:
            steps = [r for r in csv.DictReader(file) if r["train/lr"]]
        assert float(row["step"]) == pytest.approx(np.mean([float(r["time/step"]) for r in steps[1:]]))
    for row in rows:
        assert sum(float(row[f"bucket/{m}"]) for m in range(5)) == pytest.approx(1)


def test_interference(report: Path, four_runs: list[Path]):
    """What the runs that measured it have logged, and nothing of the others."""
    found = rows_of(report, "interference")
    assert {row["method"] for row in found} == {"GRPO"}
    logged = [row for folder in four_runs for row in measured(read_metrics(folder / "metrics.csv"))]
    assert len(found) == len(logged) > 0
    for row, other in zip(found, logged, strict=True):
        assert {name: float(value) for name, value in row.items() if value and name not in ("method", "seed")} == other
    assert ">Interference <a" in (report / "report.html").read_text()
