"""What a run leaves for its report: samples that give the counts again, tokens, a path on both sets, its setting."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rlvr.build import build
from rlvr.eval import RunRecord, runner, sample_file
from rlvr.eval.runner import Evaluated
from rlvr.ranks import Ranks
from rlvr.report import write_setting
from rlvr.step import SCHEMA, table_of
from rlvr.types import Completion, Group, Problem, Verdict


def fit(cfg) -> RunRecord:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data, weights_only=True)
    return RunRecord.read(Path(cfg.paths.run_dir))


@pytest.mark.parametrize("algo", ["self", "bbg"])
def test_a_run_leaves_what_its_report_needs(quick, algo: str):
    """Counts from the samples, tokens from the rollouts on disk, paths over the first problems of both sets."""
    cfg = quick(f"algo={algo}", "model.steps=150", "eval.path_problems=6")
    record, folder = fit(cfg), Path(cfg.paths.run_dir)
    assert set(record.splits) == {"heldout", "train"}
    for split, results in record.splits.items():
        for policy, evaluation in (("base", results.base), ("trained", results.trained)):
            rows = pq.read_table(sample_file(folder, split, policy)).to_pylist()
            right = Counter(row["problem_id"] for row in rows if row["status"] == "right")
            assert tuple(right[problem] for problem in evaluation.problem_ids) == evaluation.correct
            assert sum(row["tokens"] for row in rows) / len(rows) == evaluation.mean_length
            assert all(row["text"] is not None and row["prompt"] for row in rows)
        assert sorted(results.path) == [0, 2, 3]
        assert all(point.problem_ids == results.base.problem_ids[:6] for point in results.path.values())
    with (folder / "metrics.csv").open() as file:
        steps = [row for row in csv.DictReader(file) if row["train/lr"]]
    trained = pq.read_table(folder / "samples.parquet")
    assert trained.schema == pq.read_schema(sample_file(folder, "heldout", "base")) == SCHEMA
    sampled, rewards = Counter(), defaultdict(list)
    for row in trained.to_pylist():
        sampled[row["version"] + 1] += row["tokens"]
        rewards[row["version"] + 1].append((row["status"] == "right", row["reward"]))
    for row in steps:
        right, reward = zip(*rewards[int(row["step"])], strict=True)
        assert float(row["rollout/accuracy"]) == pytest.approx(sum(right) / len(right))
        assert float(row["rollout/reward"]) == pytest.approx(sum(reward) / len(reward))
    greedy = [float(row["rollout/greedy_tokens"]) for row in steps]
    assert all(tokens > 0 for tokens in greedy) == (algo == "self")
    totals = [sum(sampled[s] + greedy[s - 1] for s in range(1, step + 1)) for step in (1, 2, 3)]
    assert list(record.generated.values()) == totals


def test_runs_from_one_base_share_its_samples(quick):
    """The second run draws no base sample, and its folder holds the same ones."""
    cfgs = [quick("algo=grpo"), quick("algo=nsr")]
    for cfg in cfgs:
        fit(cfg)
    first, second = (sample_file(Path(cfg.paths.run_dir), "heldout", "base") for cfg in cfgs)
    assert first.samefile(second)


def test_of_long_texts_a_few_are_left(tmp_path, monkeypatch):
    """Over the limit: the first right and the first others of each problem; every sample still has a row."""
    monkeypatch.setattr(runner, "ALL_TEXTS", 40)
    completions = tuple(Completion((1, 2), (-0.1, -0.1), f"text {i % 7}", "stop") for i in range(20))
    statuses = ["right" if i >= 10 else "wrong" for i in range(20)]
    verdicts = tuple(Verdict(status, float(status == "right")) for status in statuses)
    group = Group(Problem("p", "prompt", (1,), "answer"), completions, verdicts, 0)
    Evaluated([table_of([group])], 20, Ranks(0, 1)).write(tmp_path / "few.parquet")
    rows = pq.read_table(tmp_path / "few.parquet").to_pylist()
    assert [row["sample"] for row in rows if row["text"] is not None] == [0, 1, 2, 3, 10, 11, 12, 13]
    assert len({row["text_id"] for row in rows}) == 7
    assert [row["status"] for row in rows] == statuses


def test_setting_has_an_entry_a_start(tmp_path):
    """Versions, device and command, none lost when a run goes on in its folder."""
    for _ in range(2):
        write_setting(tmp_path)
    starts = json.loads((tmp_path / "setting.json").read_text())
    assert len(starts) == 2
    assert starts[0]["versions"]["torch"].startswith("2.")
    assert starts[0]["device"]
