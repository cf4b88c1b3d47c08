"""Pass@k against brute force, and its guards."""

from itertools import combinations

import numpy as np
import pytest

from rlvr.eval import Evaluation, bootstrap_mean, pass_at_k


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_equals_enumeration_of_all_subsets(n: int):
    """The share of all k-subsets of n samples that hold at least one of the c right ones."""
    for k in range(1, n + 1):
        subsets = list(combinations(range(n), k))
        brute = [sum(any(i < c for i in subset) for subset in subsets) / len(subsets) for c in range(n + 1)]
        assert pass_at_k(range(n + 1), n, k).tolist() == pytest.approx(brute, abs=1e-12)


def test_stable_at_1024():
    """C = 1: Pass@k is k/n exactly; c = 0: 0; c = n: 1."""
    for k in (1, 2, 512, 1023, 1024):
        assert pass_at_k([0, 1, 1024], 1024, k).tolist() == pytest.approx([0, k / 1024, 1], abs=1e-12)


@pytest.mark.parametrize(("correct", "n", "k"), [(1, 4, 5), (1, 4, 0), (5, 4, 1), (-1, 4, 1)])
def test_refuses_what_makes_no_sense(correct: int, n: int, k: int):
    """K outside 1..n and counts outside 0..n."""
    with pytest.raises(ValueError, match="Pass@k needs"):
        pass_at_k([correct], n, k)


def test_bootstrap_covers_at_its_nominal_rate():
    """Paired differences with a true mean of 0.1: the 95 % interval holds it in 90 to 99 % of 300 draws."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        interval = bootstrap_mean(rng.normal(0.1, 0.3, size=(1, 60)), resamples=300)
        covered += interval.low <= 0.1 <= interval.high
    assert 0.90 <= covered / 300 <= 0.99


def test_evaluation_survives_its_file(tmp_path):
    """Written and read back, it is the same."""
    evaluation = Evaluation(4, ("a", "b"), (0, 3), 5.5, 0.0, 0.7)
    evaluation.write(tmp_path / "deep" / "evaluation.json")
    assert Evaluation.read(tmp_path / "deep" / "evaluation.json") == evaluation
    assert evaluation.pass_at(1) == pytest.approx(0.375)
