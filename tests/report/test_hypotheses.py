"""The statistics that decide the hypotheses of docs/results, against slower ways to the same numbers."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from rlvr.eval import Interval
from rlvr.report.paths import RunPath, common_gain, first_at

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "studies" / "hypotheses.py"))


def path(label: str, one_TP: np.ndarray, many_TP: np.ndarray) -> RunPath:
    return RunPath(label, 0, np.arange(len(one_TP), dtype=float), None, {1: one_TP, 256: many_TP})


@pytest.mark.parametrize(
    ("interval", "values", "sign", "decision"),
    [
        (Interval(0.2, 0.1, 0.3), [0.1, 0.3], 1, "supported"),
        (Interval(0.2, 0.1, 0.3), [-0.1, 0.5], 1, "undecided"),  # one seed says otherwise
        (Interval(0.2, -0.1, 0.3), [0.1, 0.3], 1, "undecided"),
        (Interval(0.2, 0.1, 0.3), [0.1, 0.3], -1, "refuted"),
        (Interval(-0.2, -0.3, -0.1), [-0.1, -0.3], -1, "supported"),
    ],
)
def test_a_decision_needs_the_interval_and_every_seed(interval, values, sign: int, decision: str):
    assert SCRIPT["Estimate"](interval, np.array(values)).decision(sign) == decision


def test_equal_gain_by_hand():
    """Both rise from 10 to 30 % Pass@1, one losing 20 points of Pass@256 on the way and the other 40."""
    base, method, grpo = np.array([[0.1], [0.3]]), np.array([[1.0], [0.8]]), np.array([[1.0], [0.6]])
    found = SCRIPT["gains"](path("SELF", base, method), path("GRPO", base, grpo), 256, np.ones((1, 1)))
    assert found == pytest.approx([0.15])  # 10 points apart halfway, 20 at the top, linear between


def test_equal_gain_equals_the_slow_way():
    """Random paths that go up and down, problems weighted by how often each is drawn."""
    rng = np.random.default_rng(0)
    one_MTP, many_MTP = rng.random((2, 2, 8, 30))
    one_MTP[:, 0] = 0.2 * one_MTP[0, 0]  # the base, the same for both
    many_MTP[:, 0] = many_MTP[0, 0]
    pair = [path(label, one_MTP[i], many_MTP[i]) for i, label in enumerate(("SELF", "GRPO"))]
    problem_RP = np.stack([np.bincount(rng.integers(30, size=30), minlength=30) for _ in range(5)]).astype(float)
    found = SCRIPT["gains"](*pair, 256, problem_RP)
    for weight_P, value in zip(problem_RP, found, strict=True):
        drawn = np.repeat(np.arange(30), weight_P.astype(int))
        redrawn = [path(p.label, p.pass_KTP[1][:, drawn], p.pass_KTP[256][:, drawn]) for p in pair]
        top, start = common_gain(redrawn), redrawn[0].curve(1)[0]
        differences = []
        for level in np.linspace((start + top) / 2, top, 21) - 1e-12:
            mine, its = (p.there(first_at(p.curve(1), level))[256].mean() for p in redrawn)
            differences.append(mine - its)
        assert value == pytest.approx(np.mean(differences), abs=1e-6)
