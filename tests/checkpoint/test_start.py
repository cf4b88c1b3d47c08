"""Where a run starts, and with which settings it may."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rlvr import run_folder
from rlvr.build import build
from rlvr.checkpoint import CheckpointStore, starting_point
from rlvr.checkpoint.start import CONFIG, VOUCHED
from rlvr.errors import ConfigError, RunError
from rlvr.ranks import Ranks


@pytest.fixture
def run(quick, tmp_path: Path):
    """A config that goes on, and a run's folder with checkpoints of steps 4 and 8 that belong to it."""
    cfg = quick("ckpt_path=last")
    folder = Path(cfg.paths.run_dir)
    store = CheckpointStore(folder / "checkpoints")
    for step in (4, 8):
        store.aside(step).mkdir(parents=True)
        OmegaConf.save(cfg, store.aside(step) / CONFIG)
        store.seal(step)
    return cfg, folder, store


def test_last_takes_the_newest_whole_one(run):
    """And names the one it passes over."""
    cfg, folder, store = run
    assert starting_point(cfg, folder).checkpoint == store.path(8)
    (store.path(8) / CONFIG).write_text("changed")
    start = starting_point(cfg, folder)
    assert start.checkpoint == store.path(4)
    assert str(store.path(8) / CONFIG) in start.notes[0]


def test_without_a_checkpoint_last_starts_at_the_beginning(quick, tmp_path: Path):
    """So that one command serves the first start and every restart of a job that may be pre-empted."""
    assert starting_point(quick("ckpt_path=last"), tmp_path).checkpoint is None


def test_with_damaged_ones_only_it_refuses(run):
    """Starting over would look like going on."""
    cfg, folder, store = run
    for step in (4, 8):
        (store.path(step) / CONFIG).unlink()
    with pytest.raises(ConfigError, match=r"no checkpoint in .* is whole; .*config.yaml: the file is missing"):
        starting_point(cfg, folder)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("algo=nsr", "algo.filter.name: self -> none"),
        ("batch.group_size=8", "batch.group_size: 4 -> 8"),
        ("model.seed=3", "model.seed"),
        ("data.train_size=80", "data.train_size: 64 -> 80"),
        ("eval.n=8", "eval.n: 4 -> 8"),
        ("eval.cross=true", "eval.cross: False -> True"),
    ],
)
def test_settings_that_would_make_two_runs_of_one(run, quick, override: str, key: str):
    """Refused by name, unless one insists."""
    _, folder, _ = run
    prefix = "+" if key == "model.seed" else ""
    with pytest.raises(ConfigError, match=key):
        starting_point(quick("ckpt_path=last", prefix + override), folder)
    insisted = starting_point(quick("ckpt_path=last", prefix + override, "allow_changes=true"), folder)
    assert key in insisted.notes[0]


def test_other_changes_are_shown(run, quick):
    """A longer run at another learning rate goes on, and says so."""
    _, folder, store = run
    start = starting_point(quick("ckpt_path=last", "trainer.max_steps=9", "optimizer.lr=1e-5"), folder)
    assert start.checkpoint == store.path(8)
    assert "optimizer.lr: 0.0001 -> 1e-05" in start.notes[0]
    assert "trainer.max_steps: 3 -> 9" in start.notes[0]


def test_a_switch_that_came_later_was_off(run, quick):
    """A run of an older version goes on, although its config has no such key."""
    cfg, folder, store = run
    for step in (4, 8):
        older = OmegaConf.load(store.path(step) / CONFIG)
        del older.eval["cross"]
        store.aside(step).mkdir(parents=True)
        OmegaConf.save(older, store.aside(step) / CONFIG)
        store.seal(step)
    assert starting_point(cfg, folder).notes == ()
    with pytest.raises(ConfigError, match=r"eval\.cross: None -> True"):
        starting_point(quick("ckpt_path=last", "eval.cross=true"), folder)


def test_last_without_a_folder_means_the_newest_run(run, tmp_path: Path):
    """Hydra's folder is that run's; any other start gets a new one."""
    _, folder, _ = run
    fresh = str(folder.parent / "2026-01-01")
    assert run_folder(fresh, "last") == str(folder)
    assert run_folder(fresh, None) == fresh
    assert run_folder(str(tmp_path / "nothing" / "here"), "last") == str(tmp_path / "nothing" / "here")


def test_rank_0_alone_reads_every_byte(run, monkeypatch):
    """The others look at sizes, and those that rank 0 starts go on from what it vouches for."""
    cfg, folder, store = run
    (store.path(8) / CONFIG).write_bytes(bytes(reversed((store.path(8) / CONFIG).read_bytes())))  # as long as before
    monkeypatch.delenv(VOUCHED, raising=False)
    monkeypatch.setattr("rlvr.checkpoint.start._changed", lambda cfg, checkpoint: ())  # it cannot be read any more
    monkeypatch.setenv("RANK", "1")
    assert starting_point(cfg, folder).checkpoint == store.path(8)
    monkeypatch.setenv("RANK", "0")
    assert starting_point(cfg, folder).checkpoint == store.path(4)
    monkeypatch.setenv("RANK", "1")
    assert starting_point(cfg, folder).checkpoint == store.path(4)
    monkeypatch.delenv(VOUCHED)


def test_ranks_that_would_go_on_from_different_checkpoints_do_not(quick, monkeypatch):
    """Started by torchrun, each has looked for itself; what rank 0 has read counts."""
    cfg = quick("trainer.max_steps=3", "callbacks.checkpoint.every_n_rollouts=1")
    first = build(cfg)
    first.trainer.fit(first.module, datamodule=first.data)
    newest, _ = CheckpointStore(Path(cfg.paths.run_dir) / "checkpoints").newest()
    monkeypatch.setattr(
        Ranks, "broadcast", lambda ranks, mine: mine if "step-" not in str(mine) else "checkpoints/step-1"
    )
    again = build(cfg)
    with pytest.raises(RunError, match=r"step-2: rank 0 has read it whole, found it damaged and would go on from .*-1"):
        again.trainer.fit(again.module, datamodule=again.data, ckpt_path=newest, weights_only=True)
