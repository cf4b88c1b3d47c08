"""Simultaneous bands and P(k* <= K): against plain loops, and covering a known truth."""

from itertools import product
from math import comb

import numpy as np
import pytest

from rlvr.eval.bands import Band, crossed_by, excluding, for_few_seeds, resampled, simultaneous, student
from rlvr.eval.bootstrap import Interval, bootstrap_mean, draws, resampled_means

KS = (1, 2, 4, 8, 16)


def curves(rate_P: np.ndarray) -> np.ndarray:
    """True Pass@k [K, P]."""
    return np.stack([1 - (1 - rate_P) ** k for k in KS])


def test_draws_are_the_reports():
    """The means in every draw are those of every other interval."""
    value_QSP = np.random.default_rng(0).normal(size=(4, 3, 30))
    together_RQ = resampled(value_QSP)
    for index, value_SP in enumerate(value_QSP):
        np.testing.assert_allclose(together_RQ[:, index], resampled_means(value_SP), atol=1e-12)


def test_the_largest_t_by_a_plain_loop():
    value_QSP = np.random.default_rng(1).normal(size=(3, 2, 25)) + 0.2
    seed_RS, problem_RP = draws(2, 25)
    largest = []
    means = value_QSP.mean(axis=(1, 2))
    drawn = np.array(
        [
            [(seeds[:, None] * problems[None] * value_SP).sum() / 50 for value_SP in value_QSP]
            for seeds, problems in zip(seed_RS, problem_RP, strict=True)
        ]
    )
    for row in drawn:
        largest.append(max(abs(row[q] - means[q]) / drawn[:, q].std() for q in range(3)))
    band = simultaneous(value_QSP)
    assert band.critical == pytest.approx(np.quantile(largest, 0.95))
    largest = [max(abs(value_SP.mean(axis=0))) for value_SP in value_QSP]
    deviations = [(sd**2 + 2 * (top / 25) ** 2) ** 0.5 for sd, top in zip(drawn.std(axis=0), largest, strict=True)]
    deviations = for_few_seeds(value_QSP, np.array(deviations)).tolist()
    for interval, mean, deviation in zip(band.intervals, means, deviations, strict=True):
        assert interval.mean == pytest.approx(mean)
        assert interval.high - mean == pytest.approx(band.critical * deviation)


def test_a_band_is_wider_than_its_pointwise_intervals_and_as_narrow_for_one_quantity():
    value_QSP = np.random.default_rng(2).normal(size=(6, 1, 300))
    width = [interval.high - interval.low for interval in simultaneous(value_QSP).intervals]
    alone = [bootstrap_mean(value_SP) for value_SP in value_QSP]
    assert all(wide > one.high - one.low for wide, one in zip(width, alone, strict=True))
    (single,) = simultaneous(value_QSP[:1]).intervals
    assert single.high - single.low == pytest.approx(alone[0].high - alone[0].low, rel=0.06)


def test_what_does_not_vary_has_no_width_and_widens_no_other():
    """All problems differ by nothing at one k: rounding must not become a large t."""
    value_QSP = np.random.default_rng(3).normal(size=(2, 1, 50))
    constant = np.full((1, 1, 50), 0.1)
    band = simultaneous(np.concatenate([value_QSP, constant, np.zeros((1, 1, 50))]))
    assert band.critical == pytest.approx(simultaneous(value_QSP).critical)
    assert excluding(band.intervals)[2:] == [1, 0]


def test_the_whole_curve_is_covered_at_the_nominal_rate():
    """Problems drawn anew, counts, Pass@k at five k, against the population's curve: 95 % means 92 to 98 of 100."""
    rng = np.random.default_rng(0)
    population = rng.beta(0.6, 2.0, size=300_000)

    def moved(rate: np.ndarray) -> np.ndarray:
        return np.clip(1.6 * rate - 0.05, 0, 1)  # up where it is high, lost where it is low: the curves cross

    truth_K = (curves(moved(population)) - curves(population)).mean(axis=1)
    inside, pointwise, trials = 0, 0, 400
    for _ in range(trials):
        base_P = rng.beta(0.6, 2.0, size=100)
        difference_KSP = (curves(moved(base_P)) - curves(base_P))[:, None] + rng.normal(0, 0.02, size=(5, 1, 100))
        band = simultaneous(difference_KSP)
        inside += all(one.low <= truth <= one.high for one, truth in zip(band.intervals, truth_K, strict=True))
        half_K = 1.96 * band.deviation_Q
        pointwise += bool((np.abs(band.mean_Q - truth_K) <= half_K).all())
    assert 0.92 <= inside / trials <= 0.98
    assert pointwise < inside  # which is what the band is for


def pass_at(counts_P: np.ndarray, n: int) -> np.ndarray:
    """Unbiased Pass@k [K, P] from counts."""
    ks = [2**exponent for exponent in range(n.bit_length())]
    table = np.array([[1 - comb(n - c, k) / comb(n, k) for c in range(n + 1)] for k in ks])
    return table[:, counts_P]


@pytest.mark.parametrize(("problems", "lost"), list(product((20, 30, 100), (True, False))))
def test_a_few_problems_are_covered_as_often_as_said(problems: int, lost: bool):
    """Counts of 64 samples at seven k: a tenth of the problems lost, or all sharpened, so that at k = 64 few differ."""
    rng, trials, inside, wrong = np.random.default_rng(0), 300, 0, 0

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        base_P = rng.beta(0.5, 2.0, size=size)
        return base_P, np.where(rng.random(size) < 0.1, 0, base_P) if lost else 1 - (1 - base_P) ** 1.5

    base_P, now_P = draw(300_000)
    truth_K = np.array([((1 - base_P) ** k - (1 - now_P) ** k).mean() for k in (1, 2, 4, 8, 16, 32, 64)])
    for _ in range(trials):
        base_P, now_P = draw(problems)
        before, after = (pass_at(rng.binomial(64, rate_P), 64) for rate_P in (base_P, now_P))
        intervals = simultaneous((after - before)[:, None]).intervals
        inside += all(one.low <= truth <= one.high for one, truth in zip(intervals, truth_K, strict=True))
        signs = excluding(intervals)
        wrong += any(sign and sign != np.sign(truth) for sign, truth in zip(signs, truth_K, strict=True))
    assert inside / trials >= 0.91
    assert wrong / trials <= 0.025  # a direction, which is what words say


def test_crossed_by_is_the_share_of_curves_that_have():
    """One curve after the other."""
    difference_KSP = np.random.default_rng(4).normal(0.05, 0.5, size=(4, 2, 30))
    mean_RK = np.stack([resampled_means(one) for one in difference_KSP], axis=1)
    for index in range(4):
        expected = np.mean([any(value < 0 for value in row[: index + 1]) for row in mean_RK])
        assert crossed_by(difference_KSP)[index] == pytest.approx(expected)


def test_crossed_by_of_sure_curves():
    """Above at the first two k, below from the third on; never; from the first on."""
    sure = np.array([0.2, 0.1, -0.1, 0.3])[:, None, None] + np.zeros((4, 1, 20))
    assert crossed_by(sure).tolist() == [0, 0, 1, 1]
    assert crossed_by(abs(sure)).tolist() == [0, 0, 0, 0]
    assert crossed_by(-abs(sure)).tolist() == [1, 1, 1, 1]


def test_signs():
    intervals = [Interval(0.1, 0.05, 0.2), Interval(0.1, -0.05, 0.2), Interval(-0.1, -0.2, -0.01), Interval(0, 0, 0)]
    assert excluding(intervals) == [1, 0, -1, 0]
    assert Band(np.array([0.5]), np.array([0.1]), 2.0).intervals == [Interval(0.5, 0.3, 0.7)]


def test_few_seeds_by_hand():
    """Two seeds of means 1 and 3: v / S = 1, of which the draws show 1/2; problems bring nothing, so one degree of
    freedom is left. Seeds that agree change nothing."""
    apart = np.array([[[1.0] * 50, [3.0] * 50]])
    assert for_few_seeds(apart, np.array([0.5**0.5])) == pytest.approx([12.706 / 1.96], rel=0.001)
    alike = np.random.default_rng(0).normal(size=(1, 1, 50)) + np.zeros((1, 3, 1))
    (widened,) = for_few_seeds(alike, np.array([0.2]))
    assert widened == pytest.approx(0.2 * student(np.array([49.0]))[0] / 1.96, rel=0.001)
    assert for_few_seeds(alike[:, :1], np.array([0.2])) == pytest.approx([0.2])


@pytest.mark.parametrize("freedom", [1, 1.5, 2, 3.7, 7, 30, 1e6])
def test_student_against_scipy(freedom: float):
    """Never too small, and at most a sixth too large, just above 1 degree of freedom."""
    stats = pytest.importorskip("scipy.stats")
    (found,) = student(np.array([freedom]))
    assert -1e-3 <= found / stats.t.ppf(0.975, freedom) - 1 <= (0.2 if freedom < 2 else 0.02)


@pytest.mark.parametrize(("seeds", "apart"), [(2, 0.015), (3, 0.015), (3, 0.03), (5, 0.03)])
def test_directions_with_few_seeds_are_seldom_wrong(seeds: int, apart: float):
    """Seeds move all of their problems together, by one and a half or three times as much as the problems' mean varies,
    around a true 0: a direction that the band says, and all seeds agree on, is false in at most 5 of 100."""
    rng, false, trials = np.random.default_rng(0), 0, 400
    for _ in range(trials):
        of_seed = rng.normal(0, apart, size=(1, seeds, 1)) * np.array([1, 1.2, 0.8])[:, None, None]
        noise = rng.normal(0, 0.15, size=(3, 1, 200)) + rng.normal(0, 0.1, size=(3, seeds, 200))
        value_QSP = of_seed + noise
        (sign, *_) = excluding(simultaneous(value_QSP).intervals)
        false += sign != 0 and bool((np.sign(value_QSP[0].mean(axis=1)) == sign).all())
    assert false / trials <= 0.05
