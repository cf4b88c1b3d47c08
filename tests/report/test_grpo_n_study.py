"""The study of GRPO-N: its arms compose and pass the preflight, and its page says what the numbers say."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from rlvr.eval import Evaluation, RunRecord, SplitRecord
from rlvr.preflight.settings import check
from rlvr.report.pool import Method
from rlvr.report.runs import RunFolder
from studies import grpo_n
from tests.test_configs import CONFIGS


@pytest.mark.parametrize("name", grpo_n.ARMS)
def test_every_arm_passes_the_preflight(name: str, tmp_path: Path):
    arm = grpo_n.ARMS[name]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose(
            "train", [*arm.overrides, f"rollouts={arm.rollouts}", "paths.run_dir=x", f"paths.log_dir={tmp_path}"]
        )
    check(cfg)


def test_every_claim_is_about_arms_and_every_arm_is_in_a_claim():
    named = {name for _, *arms, _ in grpo_n.CLAIMS for name in arms}
    assert named == set(grpo_n.ARMS)
    assert {number for number, *_ in grpo_n.CLAIMS} == set(grpo_n.QUESTIONS)


def method(label: str, solved: int) -> Method:
    """Two seeds, 64 problems of which this many are solved in the end, each by all of 256 samples."""
    ids = tuple(map(str, range(64)))
    base, trained = (
        Evaluation(256, ids, (256,) * count + (0,) * (64 - count), 5.0, 0.0, 0.5) for count in (60, solved)
    )
    runs = tuple(
        RunFolder(Path("nowhere"), RunRecord(label, seed, {"heldout": SplitRecord(base, trained)})) for seed in (0, 1)
    )
    return Method(label, "heldout", runs)


def test_the_page_by_hand(monkeypatch: pytest.MonkeyPatch):
    """GRPO solves 48 of 64 problems, weighed m/n 40, GRPO-N 32: half of 25 points."""
    rows = [{"rollout/entropy": value, "train/clipped_share": 0.02} for value in (0.9, 0.8, 0.7, 0.25)]
    monkeypatch.setattr(RunFolder, "metrics", rows)
    solved = {"grpo": 48, "grpo_rate": 40, "grpo_n": 32}
    text = grpo_n.page({name: method(name, count) for name, count in solved.items()})
    assert "GRPO-N is 25.0 points of Pass@256 below GRPO; the weight m/n alone costs GRPO 12.5, 50% of it." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| GRPO x m/n - GRPO |")]
    assert row.endswith("| -12.5, -12.5 | supported |")
    assert "| 0.25 | 2.00 % |" in text  # the entropy of the last quarter
    assert "Not run yet: NSR; " in text
    better = grpo_n.page({name: method(name, count) for name, count in {**solved, "grpo_n": 56}.items()})
    assert "GRPO-N is 12.5 points of Pass@256 above GRPO here" in better
