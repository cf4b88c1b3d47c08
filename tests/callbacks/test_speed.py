"""What a run says of its speed: by hand, and in the rows of whole runs."""

import csv
from pathlib import Path

import pytest
from omegaconf import DictConfig

from rlvr.build import build
from rlvr.callbacks.speed import Speed
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import Peak

SIZE = PolicySize(layers=10, head=5, attention=0)
ONE = Passed(tokens=10, scored=20, pairs=0)  # 400 operations forward, 800 backward


def speed() -> Speed:
    """The engine's device does 1,000 operations a second, the trainer's 500."""
    return Speed(SIZE, Peak(1000.0, ""), Peak(500.0, ""), adapters=False)


def test_a_step_by_hand():
    """400 operations sampled in 2 s, as many forward in 4 s, 800 backward in 4 s, of a step of 16 s; a device at its
    peak needs 0.4, 0.8 and 1.6 s for them."""
    seconds = {"sample": 2.0, "forward": 4.0, "backward": 4.0, "step": 16.0}
    passed = dict.fromkeys(("sample", "forward", "backward"), ONE)
    assert speed().row(seconds, passed, 320, begins=True) == pytest.approx(
        {
            "speed/tokens": 20,
            "speed/tflops": 1600 / 16 / 1e12,
            "speed/mfu": 2.8 / 16,
            "speed/mfu_sample": 0.2,
            "speed/mfu_forward": 0.2,
            "speed/mfu_backward": 0.4,
        }
    )


def test_a_rollout_counts_for_all_steps_on_it():
    """The second step on a batch has no rollout of its own, and the next batch begins anew."""
    of_training, passed = {"forward": 1.0, "backward": 1.0, "step": 2.0}, {"forward": ONE, "backward": ONE}
    seen = speed()
    first = seen.row({"sample": 8.0, **of_training, "step": 10.0}, {"sample": ONE, **passed}, 600, begins=True)
    second = seen.row(of_training, passed, 600, begins=False)
    assert [first["speed/tokens"], second["speed/tokens"]] == [60, 50]
    assert second["speed/mfu"] == pytest.approx((0.4 + 2 * 2.4) / 12)
    assert second["speed/mfu_sample"] == first["speed/mfu_sample"]
    assert seen.row(of_training, passed, 0, begins=True)["speed/mfu"] == pytest.approx(2.4 / 2)


def test_a_first_step_has_its_rollout():
    """The clock of a process begins after it: its phases are known, and the step's own time lacks them."""
    seconds = {"sample": 8.0, "forward": 1.0, "backward": 1.0, "step": 2.0}
    assert speed().row(seconds, {"sample": ONE}, 100, begins=True)["speed/tokens"] == 10


def rows(cfg: DictConfig) -> list[dict[str, str]]:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["time/step"]]


def test_every_step_of_a_run_says_it(quick):
    """With a greedy pass, scoring and two steps a rollout; all rows see the same peak."""
    found = rows(quick("algo=self", "algo/auxiliary=kl", "batch.minibatches_per_rollout=2", "rollouts=2"))
    assert len(found) == 4
    phases = ["sample", "greedy", "score", "forward", "backward"]
    for row in found:
        assert all(float(row[f"speed/mfu_{phase}"]) > 0 for phase in phases)
        assert float(row["speed/tokens"]) > 0
    peaks = [float(row["speed/tflops"]) / float(row["speed/mfu"]) for row in found]
    assert peaks == pytest.approx([peaks[0]] * 4)


def test_completions_without_their_prompts_are_scored_too(quick):
    """A shaping that reads them has a forward pass for it."""
    found = rows(quick("algo=sar", "rollouts=1"))
    assert float(found[0]["speed/mfu_score"]) > 0
