"""Pass@k beyond n, where the truth is known."""

import numpy as np
import pytest

from rlvr.eval.extrapolation import (
    Counted,
    fitted_beta,
    fitted_mixture,
    held_out,
    pass_by_beta,
    pass_by_mixture,
    predictions,
)

N = 64


def counts(rates: np.ndarray, n: int = N, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).binomial(n, rates)


def truth(rates: np.ndarray, k: int) -> float:
    return float(np.mean(1 - (1 - rates) ** k))


def test_pass_by_beta_is_the_mean_over_its_rates():
    rates = np.random.default_rng(0).beta(0.4, 3.0, 400_000)
    for k in (1, 64, 256):
        assert pass_by_beta(0.4, 3.0, 0.0, k) == pytest.approx(truth(rates, k), abs=2e-3)
        assert pass_by_beta(0.4, 3.0, 0.25, k) == pytest.approx(0.75 * truth(rates, k), abs=2e-3)


@pytest.mark.parametrize(("a", "b", "z"), [(0.5, 2.0, 0.0), (2.0, 5.0, 0.0), (0.8, 1.5, 0.3)])
def test_parameters_are_found_again(a: float, b: float, z: float):
    """From many problems."""
    draw = np.random.default_rng(1)
    rates = draw.beta(a, b, 20_000) * (draw.random(20_000) >= z)
    found = fitted_beta(Counted.of(N, counts(rates)), zero_inflated=z > 0)
    assert found == pytest.approx((a, b, z), rel=0.15, abs=0.02)


def test_the_beta_fit_is_a_maximum():
    """No other parameters near it are more likely, by a likelihood written out here."""
    from math import lgamma

    right = counts(np.random.default_rng(2).beta(0.6, 4.0, 300))

    def likelihood(a: float, b: float) -> float:
        both = lgamma(a) + lgamma(b) - lgamma(a + b)
        return sum(lgamma(c + a) + lgamma(N - c + b) - lgamma(N + a + b) - both for c in right.tolist())

    a, b, z = fitted_beta(Counted.of(N, right), zero_inflated=False)
    assert z == 0
    for da, db in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99), (1.01, 1.01), (0.99, 1.01)):
        assert likelihood(a * da, b * db) < likelihood(a, b)


def test_a_mixture_finds_its_rates():
    """Two of them, and problems that are never solved."""
    rates = np.repeat([0.0, 0.1, 0.7], [3000, 4000, 3000])
    rate_J, weight_J = fitted_mixture(Counted.of(N, counts(rates)))
    assert weight_J.sum() == pytest.approx(1)
    assert weight_J[rate_J < 1e-3].sum() == pytest.approx(0.3, abs=0.03)
    assert weight_J[(rate_J > 0.07) & (rate_J < 0.14)].sum() == pytest.approx(0.4, abs=0.03)
    assert pass_by_mixture(rate_J, weight_J, 4 * N) == pytest.approx(truth(rates, 4 * N), abs=0.03)


def test_solving_all_or_nothing():
    """Ends of the scale are no errors."""
    for right, expected in ((np.zeros(50, int), 0.0), (np.full(50, N), 1.0)):
        for predict in predictions(N, right).values():
            assert predict(4 * N) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("kind", "worst"), [("beta", 0.06), ("inflated", 0.12), ("two", 0.22)])
def test_the_range_at_four_times_n(kind: str, worst: float):
    """On a hundred problems, mean over studies: one family at least is near, and how far the worst is away."""
    errors = []
    for seed in range(12):
        draw = np.random.default_rng(seed)
        rates = draw.beta(0.3, 2.0, 100)
        if kind == "inflated":
            rates = rates * (draw.random(100) < 0.7)
        if kind == "two":
            rates = np.where(draw.random(100) < 0.5, 0.004, 0.3)
        found = predictions(N, counts(rates, seed=seed + 100))
        errors.append([predict(4 * N) - truth(rates, 4 * N) for predict in found.values()])
    mean = np.mean(errors, axis=0)
    assert np.abs(mean).max() < worst, mean
    assert np.abs(mean).min() < 0.05, mean


def test_a_quarter_of_the_samples_predicts_all():
    rates = np.random.default_rng(3).beta(0.5, 2.0, (3, 500))
    right_SP = counts(rates, n=256)
    seen = float((right_SP > 0).mean())
    for value in held_out(256, right_SP).values():
        assert value == pytest.approx(seen, abs=0.03)
    assert held_out(256, right_SP) == held_out(256, right_SP)
