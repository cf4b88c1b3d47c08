"""Intervals against a plain loop and against known truths; crossing points by hand."""

from math import inf

import numpy as np
import pytest

from rlvr.eval import bootstrap_crossing, bootstrap_mean, pass_at_k
from rlvr.eval.bootstrap import crossing, resampled_means

BASE = np.random.default_rng(1).beta(0.6, 2.0, size=1_000_000)


def test_paired_difference_is_covered_at_the_nominal_rate():
    """Base and trained policy on problems drawn anew; their true difference is known. 95 % means 92 to 98 of 100."""
    rng = np.random.default_rng(0)
    covered, trials, n = 0, 400, 16
    truth = float((np.clip(BASE * 1.3, 0, 1) - BASE).mean())
    for _ in range(trials):
        base_P = rng.beta(0.6, 2.0, size=80)
        trained_P = np.clip(base_P * 1.3, 0, 1)  # moves with the base, so only a paired interval is narrow
        difference_P = (rng.binomial(n, trained_P) - rng.binomial(n, base_P)) / n
        interval = bootstrap_mean(difference_P[None], resamples=400)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / trials <= 0.98


def test_seeds_are_clusters():
    """With an effect of the seed on all of its problems, and 12 seeds, the mean is still covered."""
    rng = np.random.default_rng(0)
    covered, trials = 0, 300
    for _ in range(trials):
        value_SP = 0.1 + rng.normal(0, 0.1, size=(12, 1)) + rng.normal(0, 0.3, size=(1, 40)) + np.zeros((12, 40))
        interval = bootstrap_mean(value_SP, resamples=300)
        covered += interval.low <= 0.1 <= interval.high
    assert 0.90 <= covered / trials <= 0.98


def test_copies_of_a_seed_add_nothing():
    """Four times the same seed has the interval of one."""
    value_P = np.random.default_rng(0).normal(size=200)
    one, four = bootstrap_mean(value_P[None]), bootstrap_mean(np.tile(value_P, (4, 1)))
    assert four.mean == pytest.approx(one.mean)
    assert four.high - four.low == pytest.approx(one.high - one.low, rel=0.1)


def test_equals_a_plain_loop():
    """Percentiles of as many means of resampled rows and columns."""
    value_SP = np.random.default_rng(0).normal(size=(3, 30))
    rng = np.random.default_rng(5)
    rows, columns = rng.integers(3, size=(20_000, 3)), rng.integers(30, size=(20_000, 30))
    plain = [value_SP[np.ix_(row, column)].mean() for row, column in zip(rows, columns, strict=True)]
    interval = bootstrap_mean(value_SP, resamples=20_000)
    assert [interval.low, interval.high] == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.01)
    assert np.std(resampled_means(value_SP, 20_000)) == pytest.approx(np.std(plain), rel=0.03)


def test_draws_pair_up():
    """The same problems are drawn for every quantity: a sum's resampled means are the sums of theirs."""
    first_SP, second_SP = np.random.default_rng(0).normal(size=(2, 2, 30))
    together = resampled_means(first_SP + second_SP)
    assert np.allclose(together, resampled_means(first_SP) + resampled_means(second_SP))


@pytest.mark.parametrize(
    ("difference_K", "k"),
    [
        ([-0.1, -0.2, -0.3], 1.0),
        ([0.1, -0.1, -0.3], 2**0.5),
        ([0.3, 0.1, -0.3], 2**1.25),
        ([0.3, 0.0, -0.3], 2.0),
        ([0.3, 0.1, 0.0], inf),
    ],
)
def test_crossing_by_hand(difference_K: list[float], k: float):
    """Interpolated on log2 k; touching the base is not below it."""
    assert crossing([1, 2, 4], np.array(difference_K)) == pytest.approx(k)


def test_crossing_of_known_curves():
    """Half of the problems rise from 0.1 to 0.4, the others fall to 0.

    Pass@k: base 1 - 0.9^k, trained (1 - 0.6^k) / 2; at k = 4 these are .344 and .435, at 8 .570 and .492.
    """
    ks, n = [1, 2, 4, 8], 1000
    base_P, trained_P = np.full(100, 100), np.tile([400, 0], 50)
    difference_KSP = np.stack([(pass_at_k(trained_P, n, k) - pass_at_k(base_P, n, k))[None] for k in ks])
    found = bootstrap_crossing(ks, difference_KSP)
    assert found.low < found.k < found.high
    assert found.k == pytest.approx(2 ** (2 + 0.0915 / (0.0915 + 0.0781)), rel=0.01)
    assert found.share > 0.8
