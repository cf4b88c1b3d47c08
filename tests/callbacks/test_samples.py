"""Parts of `samples.parquet`: few, none of their rows twice or lost, cut where a run goes on; what can't be written."""

from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch

from rlvr.build import build
from rlvr.callbacks import SampleTable, samples
from rlvr.checkpoint import CheckpointStore
from rlvr.errors import RunError
from rlvr.step import RolloutBatch, read_table
from rlvr.types import Completion, Group, Problem, Verdict


class Driver:
    """Takes a sample table through rollouts of three samples each, as a trainer would; one of `ranks`."""

    def __init__(self, run_dir: Path, every_n_rollouts: int = 1, rank: int = 0, ranks: int = 1) -> None:
        self.trainer = SimpleNamespace(global_rank=rank, world_size=ranks, current_epoch=0)
        self.table = SampleTable(SimpleNamespace(run_dir=run_dir), every_n_rollouts)

    def rollouts(self, first: int, end: int) -> "Driver":
        for version in range(first, end):
            self.trainer.current_epoch = version
            self.table.on_rollout(self.trainer, None, batch(version), {})
        return self

    def save(self) -> "Driver":
        self.table.on_save_checkpoint(self.trainer, None, {})
        return self

    def load(self, step: int) -> "Driver":
        self.table.on_load_checkpoint(self.trainer, None, {"global_step": step})
        return self


def batch(version: int) -> RolloutBatch:
    completions = tuple(Completion((1, 2), (-0.5, -0.5), f"{version}, {i}", "stop") for i in range(3))
    group = Group(Problem("p", "prompt", (1,), "answer"), completions, (Verdict("right", 1.0),) * 3, version)
    numbers = torch.tensor([0.5]), torch.tensor([[0.25, 0.0, -0.25]]), torch.tensor([0])
    return RolloutBatch((group,), *numbers, selected=1, drawn=1, rounds=1, version=version, greedy_tokens=0)


def parts(folder: Path) -> dict[str, list[int]]:
    """Versions of the rows by part."""
    found = sorted((folder / "samples.parquet").iterdir())
    return {part.name: read_table(part, ["version"])["version"].to_pylist() for part in found}


def held(folder: Path) -> list[int]:
    return list(chain.from_iterable(parts(folder).values()))


def versions(first: int, end: int) -> list[int]:
    return [version for version in range(first, end) for _ in range(3)]


def test_a_part_grows_over_checkpoints_until_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All is there after every checkpoint; parts are as few as they would be without any."""
    monkeypatch.setattr(samples, "ROWS", 12)
    driver = Driver(tmp_path)
    for version in range(10):
        driver.rollouts(version, version + 1).save()
        assert held(tmp_path) == versions(0, version + 1)
    full = {f"part-000000{first}-0.parquet": versions(first, first + 4) for first in (0, 4)}
    assert parts(tmp_path) == full | {"part-0000008-0.parquet": versions(8, 10)}
    rows = pq.read_table(tmp_path / "samples.parquet").to_pylist()
    assert [row["text"] for row in rows[:4]] == ["0, 0", "0, 1", "0, 2", "1, 0"]
    assert {(row["advantage"], row["weight"]) for row in rows} == {(0.25, 0.5), (0.0, 0.5), (-0.25, 0.5)}


def test_long_texts_fill_a_part_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a checkpoint writes anew stays small, however few rows that is."""
    monkeypatch.setattr(samples, "BYTES", 1)
    Driver(tmp_path).rollouts(0, 3).save()
    assert parts(tmp_path) == {f"part-000000{first}-0.parquet": versions(first, first + 1) for first in range(3)}


@pytest.mark.parametrize("step", range(7))
def test_a_run_goes_on_from_any_checkpoint(tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch):
    """A part that grew after the checkpoint is cut, also where the run goes on from an older one than the newest."""
    monkeypatch.setattr(samples, "ROWS", 12)
    killed = Driver(tmp_path)
    for version in range(6):
        killed.rollouts(version, version + 1).save()
    going_on = Driver(tmp_path)
    if step:  # else there is no checkpoint to load, and the run begins anew
        going_on.load(step)
        assert held(tmp_path) == versions(0, step)
    going_on.rollouts(step, 8).save()
    assert held(tmp_path) == versions(0, 8)


def test_ranks_drop_their_own_parts_and_those_of_ranks_that_are_gone(tmp_path: Path):
    """Four ranks wrote, two go on: each cuts the parts of every second one."""
    for rank in range(4):
        Driver(tmp_path, rank=rank, ranks=4).rollouts(0, 4).save()
    Driver(tmp_path, rank=1, ranks=2).load(2)
    kept = [len(rows) // 3 for rows in parts(tmp_path).values()]
    assert kept == [4, 2, 4, 2]
    Driver(tmp_path, rank=0, ranks=2).load(2)
    assert held(tmp_path) == 4 * versions(0, 2)


def test_every_third_rollout(tmp_path: Path):
    """The same ones, wherever the run was gone on with."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    Driver(whole, every_n_rollouts=3).rollouts(0, 8).save()
    Driver(resumed, every_n_rollouts=3).rollouts(0, 5).save()
    Driver(resumed, every_n_rollouts=3).load(4).rollouts(4, 8).save()
    for folder in (whole, resumed):
        assert held(folder) == versions(0, 1) + versions(3, 4) + versions(6, 7)


def test_what_cannot_be_written_comes_up_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file where the folder should be, as any error of a disk: one sentence at the next call; once it can be written,
    nothing is missing."""
    monkeypatch.setattr(samples, "ROWS", 6)
    driver = Driver(tmp_path).rollouts(0, 1)
    (tmp_path / "samples.parquet").write_text("in the way")
    with pytest.raises(RunError, match=r"samples\.parquet: the samples can't be written \(FileExistsError.*make room"):
        driver.rollouts(1, 3)
    with pytest.raises(RunError, match="can't be written"):
        driver.save()
    driver.table.on_exception(driver.trainer, None, RunError("the first one"))  # which is the one to be said
    (tmp_path / "samples.parquet").unlink()
    driver.table.on_exception(driver.trainer, None, RunError("the first one"))
    assert held(tmp_path) == versions(0, 2)


def test_a_run_that_goes_on_ends_with_the_same_table(quick):
    """From a checkpoint in the middle of a part, every second rollout kept, two optimizer steps a rollout."""
    settings = ["model.steps=150", "batch.minibatches_per_rollout=2", "rollouts=6", "eval.every_n_steps=99"]
    settings += [f"callbacks.{key}" for key in ("samples.every_n_rollouts=2", "checkpoint.every_n_rollouts=1")]
    cfg = quick(*settings, "callbacks.checkpoint.keep=9")
    run_dir = Path(cfg.paths.run_dir)
    table = []
    for checkpoint in (None, CheckpointStore(run_dir / "checkpoints").path(6)):
        run = build(cfg)
        run.trainer.fit(run.module, datamodule=run.data, ckpt_path=checkpoint, weights_only=False)
        table.append(pq.read_table(run_dir / "samples.parquet").to_pylist())
    assert {row["version"] for row in table[0]} == {0, 4, 8}
    assert sorted(table[0], key=str) == sorted(table[1], key=str)
