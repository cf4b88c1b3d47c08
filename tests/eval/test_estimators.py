"""Estimators beside Pass@k: by hand, against enumeration, and in simulation."""

from itertools import combinations
from math import comb, log

import numpy as np
import pytest

from rlvr.eval.estimators import bayes, cover, g_pass, log_coverage, support
from rlvr.eval.pass_at_k import pass_at_k


@pytest.mark.parametrize("n", [1, 4, 16, 1024])
def test_log_coverage_weighs_every_k(n: int):
    """The sum over k of (1 - Pass@k) / k; nothing where all samples are right."""
    value = log_coverage(n)
    for c in {0, 1, n // 2, n}:
        ks = range(1, n + 1)
        missed = [comb(n - c, k) / comb(n, k) / k for k in ks]
        assert value[c] == pytest.approx(sum(missed))
    assert value[n] == 0
    assert np.all(np.diff(value) < 0)


def test_log_coverage_is_minus_log_p_on_average():
    """At p = .4 and n = 60 what is cut off is less than 1e-14 of it."""
    n, p = 60, 0.4
    chance = np.array([comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])
    assert float(chance @ log_coverage(n)) == pytest.approx(-log(p), abs=1e-12)


@pytest.mark.parametrize(("n", "tau"), [(4, 0.5), (16, 0.1), (16, 0.01), (1024, 0.3)])
def test_cover_is_the_posteriors_tail(n: int, tau: float):
    """Against the integral of p^c (1-p)^(n-c) above tau, by a fine sum."""
    value = cover(n, tau)
    p = (np.arange(400_000) + 0.5) / 400_000
    for c in {0, 1, n // 3, n}:
        density = np.exp(c * np.log(p) + (n - c) * np.log1p(-p) - max(c * np.log(p) + (n - c) * np.log1p(-p)))
        assert value[c] == pytest.approx(density[p > tau].sum() / density.sum(), abs=1e-5)
    assert np.all(np.diff(value) >= 0)
    assert value[0] == pytest.approx((1 - tau) ** (n + 1))


@pytest.mark.parametrize(("n", "k", "tau"), [(6, 4, 0.5), (6, 3, 0.4), (7, 5, 1.0), (5, 1, 0.5)])
def test_g_pass_by_all_draws(n: int, k: int, tau: float):
    """Every way to draw k of the n samples."""
    value = g_pass(n, k, tau)
    for c in range(n + 1):
        right = [1] * c + [0] * (n - c)
        draws = [sum(draw) >= tau * k for draw in combinations(right, k)]
        assert value[c] == pytest.approx(sum(draws) / len(draws))


def test_g_pass_at_no_tau_is_pass_at_k():
    expected = pass_at_k(range(17), 16, 8)
    np.testing.assert_allclose(g_pass(16, 8, 1e-9), expected, rtol=1e-6)


def test_bayes_by_hand():
    """0 and 3 of 4: means 1/6 and 4/6; variances 5/(36 x 7) and 8/(36 x 7), over 4."""
    mean, deviation = bayes(np.array([0, 3]), 4)
    assert mean == pytest.approx(5 / 12)
    assert deviation**2 == pytest.approx((5 + 8) / (36 * 7) / 4)


def test_bayes_deviation_covers_the_problems_own_rate():
    """Rates drawn from the prior: the mean rate is within two deviations in 95 % of 400 repetitions."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        rate_P = rng.random(50)
        mean, deviation = bayes(rng.binomial(32, rate_P), 32)
        inside += abs(mean - rate_P.mean()) < 1.96 * deviation
    assert 0.92 < inside / 400 < 0.98


def test_support_by_hand():
    """The base solved four problems, of which three are kept; of four solved now one is new."""
    found = support(np.array([[3, 1, 9, 2, 0, 0]]), np.array([[5, 0, 1, 1, 2, 0]]))
    assert found["retention"].mean == pytest.approx(3 / 4)
    assert found["discovery"].mean == pytest.approx(1 / 4)
    assert found["support"].mean == pytest.approx(2 / (4 / 3 + 4))
    for each in found.values():
        assert 0 <= each.low <= each.mean <= each.high <= 1


def test_support_of_the_same_policy():
    """All is kept and nothing is new; where nobody solves anything both are 0."""
    same = support(np.array([[1, 2, 0]]), np.array([[1, 2, 0]]))
    assert [share.mean for share in same.values()] == [1, 0, 0]
    nothing = support(np.zeros((1, 3), dtype=int), np.zeros((1, 3), dtype=int))
    assert [share.mean for share in nothing.values()] == [0, 0, 0]


def test_support_covers_the_populations_shares():
    """Problems drawn anew; of each a set share of 0 on either side. 95 % means 92 to 98 of 100."""
    rng, inside, trials = np.random.default_rng(1), np.zeros(3), 300
    chance = {(0, 0): 0.2, (0, 1): 0.15, (1, 0): 0.1, (1, 1): 0.55}
    kept, new = 0.55 / 0.65, 0.15 / 0.7
    truth = [kept, new, 2 / (1 / kept + 1 / new)]
    for _ in range(trials):
        kind_P = rng.choice(4, size=150, p=list(chance.values()))
        found = support((kind_P >= 2).astype(int)[None], (kind_P % 2).astype(int)[None])
        inside += [share.low <= true <= share.high for share, true in zip(found.values(), truth, strict=True)]
    assert np.all((inside / trials >= 0.92) & (inside / trials <= 0.98))
