"""The language model's study: what is kept of a sweep, how its predictions are decided, and the committed page."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from rlvr.eval import Evaluation, Interval, RunRecord, SplitRecord
from rlvr.report.setting import Start
from studies import language_model as study
from studies.hypotheses import Estimate

N = 256
COLUMNS = [*study.CURVES, "train/lr"]


def an_evaluation(correct: list[int]) -> Evaluation:
    return Evaluation(N, tuple(f"p{place}" for place in range(len(correct))), tuple(correct), 12.0, 0.0, 0.7)


def finished_run(folder, label: str, correct: list[int]) -> None:
    """A run of 40 steps on six problems, whose share of right rollouts is .1 at first and then .3."""
    folder.mkdir()
    split = SplitRecord(an_evaluation([8, 8, 8, 8, 8, 8]), an_evaluation(correct), [0.001] * 6)
    RunRecord(label, 0, {"heldout": split}, {1: 3000.0}).write(folder)
    start = Start("today", ("src/train.py",), "abc", "3.11", {"torch": "2"}, "a CPU")
    (folder / "setting.json").write_text(json.dumps([asdict(start)]))
    rows = [
        ["step", *COLUMNS],
        *([step, 0.1 if step <= 20 else 0.3, *[1.0] * (len(COLUMNS) - 1)] for step in range(1, 41)),
    ]
    (folder / "metrics.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """What is kept of a sweep of two methods."""
    monkeypatch.setattr(study, "RECORDS", tmp_path / "kept")
    (tmp_path / "sweep").mkdir()
    for label, correct in (("GRPO", [20, 20, 20, 0, 0, 0]), ("MaxRL", [20, 20, 20, 0, 1, 0])):
        finished_run(tmp_path / "sweep" / label, label, correct)
    study.keep(tmp_path / "sweep")
    return [json.loads((tmp_path / "kept" / f"{name}.json").read_text()) for name in ("grpo", "maxrl")]


def test_what_is_kept_says_how_it_ran(kept):
    assert kept[0]["start"]["commit"] == "abc"
    assert kept[0]["curves"]["rollout/accuracy"] == pytest.approx([0.1, 0.3])
    assert kept[1]["splits"]["heldout"]["trained"]["correct"] == [20, 20, 20, 0, 1, 0]


def test_the_page_by_hand(kept):
    """GRPO goes from 8/256 to 10/256 of Pass@1 and loses half of Pass@256; SELF has not run."""
    text = study.page(kept)
    assert "| base | 3.1 [3.1, 3.1]" in text
    assert "| GRPO | +0.8" in text
    assert "| L1 | GRPO - base, k=256 | < 0 | -50.0" in text
    assert "| L2 | SELF - GRPO, k=256 | > 0 |  | not run yet |" in text
    assert "| L3 | MaxRL - GRPO, k=1 | > -1 | +0.1 [0.0, 0.2] | supported |" in text
    assert "| GRPO | 10.0, 30.0 | 1.00, 1.00 |" in text


@pytest.mark.parametrize(
    ("low", "high", "sign", "level", "said"),
    [
        (0.1, 0.2, 1, 0.0, "supported"),
        (-0.1, 0.2, 1, 0.0, "undecided"),
        (-0.2, -0.1, 1, 0.0, "refuted"),
        (-0.2, -0.1, -1, 0.0, "supported"),
        (0.1, 0.2, -1, 0.0, "refuted"),
        (-0.005, 0.2, 1, -0.01, "supported"),
        (-0.05, -0.02, 1, -0.01, "refuted"),
    ],
)
def test_a_decision(low, high, sign, level, said):
    mean = (low + high) / 2
    assert study.less(Estimate(Interval(mean, low, high), np.array([mean])), level).decision(sign) == said


def test_undecided_says_what_would_decide():
    """Half of its mean beyond 0: 2.25 times the problems."""
    estimate = Estimate(Interval(-0.02, -0.09, 0.01), np.array([-0.02]))
    assert study.decided(estimate, 1) == "undecided; 2.2 times the problems to tell"
    assert study.decided(Estimate(Interval(0.02, 0.01, 0.09), np.array([0.02])), 1) == "supported"


def test_the_committed_page_is_what_the_counts_give():
    text = study.PAGE.read_text()
    assert study.page(study.documents()) == text
    assert "not run yet" not in text
