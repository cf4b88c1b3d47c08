"""The report over four small runs: every CSV against numbers made again from what is on disk, and the page itself."""

import base64
import csv
import json
import re
import shutil
from collections import Counter, defaultdict
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise, product
from math import comb, inf, log2
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from figures import coloured
from omegaconf import OmegaConf

from rlvr.errors import ConfigError
from rlvr.eval import Evaluation, Outcome
from rlvr.report import report_together
from rlvr.report.runs import measured, read_metrics
from rlvr.report.study import Study

N = 16
KS = [1, 2, 4, 8, 16]
SPLITS = {"heldout": 24, "train": 16}
METHODS = {"GRPO": "grpo", "SELF": "self"}
PATH = 12


@pytest.fixture(scope="module")
def report(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's folder."""
    folder = tmp_path_factory.mktemp("report")
    report_together(four_runs, folder)
    return folder


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


@pytest.fixture(scope="module")
def samples(four_runs: list[Path]) -> Samples:
    return Samples(four_runs)


def rows_of(report: Path, name: str) -> list[dict[str, str]]:
    with (report / "csv" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


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


@pytest.fixture(scope="module")
def risen(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report over the same runs, had all learned: trainings of four steps seldom do, and then two tables are empty.

    With each step SELF solves one sample more of what the base solves at all, and GRPO two; but GRPO loses, after
    its second step, what the base solves least often.
    """
    folder = tmp_path_factory.mktemp("risen")
    for run in four_runs:
        shutil.copytree(run, folder / run.name)
        record = json.loads((folder / run.name / "pass_at_k.json").read_text())
        for results in record["splits"].values():
            base = results["path"]["0"]["correct"]
            for step, point in results["path"].items():
                more = int(step) * (2 if "grpo" in run.name else 1)
                point["correct"] = [min(N, count + more) if step != "0" and count else count for count in base]
                if "grpo" in run.name and int(step) > 2:
                    weakest = min(count for count in base if count)
                    point["correct"] = [
                        0 if count == weakest else now for count, now in zip(base, point["correct"], strict=True)
                    ]
        (folder / run.name / "pass_at_k.json").write_text(json.dumps(record))
    report_together([folder / run.name for run in four_runs], folder / "report")
    return folder / "report"


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
    assert len(rows) == 2 * 2 * 2 * 5  # shares, splits, methods, ks
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
        missing = set(SPLITS) - {row["split"] for row in rows_of(report, name)}
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
    assert ">Interference</h2>" in (report / "report.html").read_text()


def test_setting(report: Path):
    """What differs between the runs is told from what does not."""
    page = (report / "report.md").read_text()
    differ, same = page.split("**Where the runs differ**")[1].split("The same in all runs")
    for key in ("seed", "algo.filter._target_"):
        assert f"| {key} |" in differ
    for key in ("version of torch", "python", "device", "batch.group_size"):
        assert f"| {key} |" in same


class Page(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        if tag == "a":
            self.links.append(found.get("href") or "")
        else:
            self.sources += [found[name] or "" for name in ("src", "href", "srcset", "data") if name in found]


def test_the_page_stands_alone(report: Path):
    """Every source is a data URI that decodes to a figure with something on it, every link leads somewhere."""
    text = (report / "report.html").read_text()
    page = Page(text)
    assert len(page.sources) == len(list((report / "figures").glob("*.png"))) >= 8
    for source in page.sources:
        assert source.startswith("data:image/png;base64,")
        image = BytesIO(base64.b64decode(source.partition(",")[2], validate=True))
        assert coloured(image) > 500
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert not re.search(r"https?://|@import|url\(", text)
    for name in set(re.findall(r"csv/\w+\.csv", text)):
        assert (report / name).is_file()
    for name in set(re.findall(r"figures/\w+\.pdf", text)):
        assert (report / name).read_bytes().startswith(b"%PDF")
    linked = re.findall(r"\]\((figures/\w+\.png)\)", (report / "report.md").read_text())
    assert len(linked) == len(page.sources)
    assert all((report / name).is_file() for name in linked)


def test_texts_cannot_break_the_page(four_runs: list[Path], tmp_path: Path):
    """A completion with markup is shown, not run."""
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in four_runs[:1]]
    path = folders[0] / "evaluations" / "heldout-trained.parquet"
    table = pq.read_table(path)
    texts = ["<img src=x onerror=alert(1)>" for _ in range(table.num_rows)]
    index = table.schema.get_field_index("text")
    path.unlink()  # a copy may share its bytes with the run's
    pq.write_table(table.set_column(index, "text", [texts]), path)
    report_together(folders, tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page


def test_runs_of_older_versions(four_runs: list[Path], tmp_path: Path):
    """Without samples, setting, tokens and the training pool's path there is a report that says what is missing."""
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in four_runs]
    for folder in folders:
        shutil.rmtree(folder / "evaluations")
        (folder / "setting.json").unlink()
        record = json.loads((folder / "pass_at_k.json").read_text())
        del record["generated"]
        record["splits"]["train"]["path"] = {}
        (folder / "pass_at_k.json").write_text(json.dumps(record))
    report_together(folders, tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    for lack in ("the tokens of greedy answers", "versions, device and commands", "No texts on held-out problems"):
        assert lack in page
    assert {row["split"] for row in rows_of(tmp_path / "report", "paths")} == {"heldout"}
    assert not rows_of(tmp_path / "report", "diversity")


def test_a_seed_that_one_method_lacks_is_left_out(four_runs: list[Path], tmp_path: Path):
    """And said to be."""
    report_together(four_runs[:3], tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "GRPO with seed 1 is left out" in page
    assert {row["seed"] for row in rows_of(tmp_path, "ledger")} == {"0"}
    with pytest.raises(ConfigError, match="no seed in common"):
        report_together(four_runs[1:3], tmp_path / "none")
    with pytest.raises(ConfigError, match="appears twice with seed 0"):
        report_together([four_runs[0], four_runs[0]], tmp_path / "twice")


def test_jobs_come_in_the_order_of_their_numbers(four_runs: list[Path], tmp_path: Path):
    """10 after 9, so that tables keep the order in which methods were asked for."""
    for name, folder in (("10_self", four_runs[2]), ("9_grpo", four_runs[0])):
        shutil.copytree(folder, tmp_path / name)
    assert [run.label for run in Study.read([tmp_path]).runs] == ["GRPO", "SELF"]


def test_a_search_over_one_method_is_told_apart(four_runs: list[Path], tmp_path: Path):
    """By the overrides that differ; a run without one keeps its method's name, and another base is pointed out."""
    folders = []
    for name, overrides in (("default", ["seed=0"]), ("faster", ["optimizer.lr=1e-3"])):
        folder = shutil.copytree(four_runs[0], tmp_path / name)
        (start,) = json.loads((folder / "setting.json").read_text())
        start["command"] = ["train.py", "algo=grpo", *overrides, f"hydra.run.dir={folder}"]
        (folder / "setting.json").write_text(json.dumps([start]))
        folders.append(folder)
    record = json.loads((folders[1] / "pass_at_k.json").read_text())
    record["splits"]["train"]["base"]["correct"][0] += 1
    (folders[1] / "pass_at_k.json").write_text(json.dumps(record))
    report_together(folders, tmp_path / "report")
    assert {row["method"] for row in rows_of(tmp_path / "report", "ledger")} == {"GRPO", "GRPO, optimizer.lr=1e-3"}
    note = "GRPO, optimizer.lr=1e-3 with seed 0 has another base than GRPO, whose base is shown."
    assert note in (tmp_path / "report" / "report.md").read_text()


def test_evaluations_on_a_suite(four_runs: list[Path], tmp_path: Path):
    """Evaluations of runs' policies take method and seed from their run; the one of another policy is the base."""
    counts = {"hub/base": (0, 1, 8), str(four_runs[0] / "policy"): (3, 8, 0), str(four_runs[2] / "policy"): (1, 4, 1)}
    for index, (name, correct) in enumerate(counts.items()):
        folder = tmp_path / "evals" / str(index)
        found = Evaluation(8, ("a", "b", "c"), correct, 5.0, 0.0, 0.5)
        Outcome(name, "aime25", found, {}, {"right": sum(correct)}, 10, 0.6, 0.95, str(tmp_path / "gone")).write(folder)
        OmegaConf.save({"model": {"name": name}}, folder / "config.yaml")
    report_together([tmp_path / "evals"], tmp_path / "report")
    ledger = {row["method"]: row for row in rows_of(tmp_path / "report", "ledger")}
    assert {method: (row["entries"], row["losses"]) for method, row in ledger.items()} == {
        "GRPO": ("1", "1"),
        "SELF": ("1", "0"),
    }
    shutil.rmtree(tmp_path / "evals" / "0")
    with pytest.raises(ConfigError, match="need one of a policy that no run has trained"):
        report_together([tmp_path / "evals"], tmp_path / "again")
