"""What the success counts of problems say beside Pass@k. Each function gives a value for every count c of 0 to n right
answers among n samples, so that a problem's is read off at its own count and means over problems stay paired."""

from math import comb, lgamma, log, log1p

import numpy as np
from numpy.typing import NDArray

from rlvr.eval.bootstrap import FloatArray, Interval, resampled_means

IntArray = NDArray[np.int64]


def log_coverage(n: int) -> FloatArray:
    """H_n - H_c [n+1], harmonic numbers: one number that weighs every k; less is better, nats.

    -log p = sum over k of (1-p)^k / k, and this is the unbiased estimate of its first n terms, the mean of
    (1 - Pass@k) / k summed over k: what MaxRL minimises (arXiv 2602.02710; the estimate is well known).
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])
    return np.asarray(harmonic[n] - harmonic)


def cover(n: int, tau: float) -> FloatArray:
    """Chance [n+1] that a problem's success rate is above tau, given c of n under a uniform prior.

    Source: arXiv 2510.08325 (Cover@tau); the prior is ours. 1 - I_tau(c+1, n-c+1) is the chance of at most c among
    n+1 draws of chance tau.
    """
    ways = [lgamma(n + 2) - lgamma(j + 1) - lgamma(n + 2 - j) for j in range(n + 1)]  # logs: no float holds so many
    chance = np.exp([way + j * log(tau) + (n + 1 - j) * log1p(-tau) for j, way in enumerate(ways)])
    return np.minimum(np.cumsum(chance), 1.0)


def g_pass(n: int, k: int, tau: float) -> FloatArray:
    """Chance [n+1] that at least tau k of k samples, drawn from the n without replacement, are right: stability.

    Source: arXiv 2412.13147 (G-Pass@k). As tau goes to 0 it is Pass@k.
    """
    least = max(1, int(np.ceil(tau * k - 1e-9)))
    ways = [sum(comb(c, j) * comb(n - c, k - j) for j in range(least, min(c, k) + 1)) for c in range(n + 1)]
    return np.array([way / comb(n, k) for way in ways])


def bayes(correct_P: IntArray, n: int) -> tuple[float, float]:
    """Mean success rate of THESE problems under a uniform prior, and its standard deviation from sampling alone.

    Source: arXiv 2510.04265 (Bayes@N). The bootstrap's interval is for new problems, this is not. Of several seeds,
    each with its own samples, give the problems of all.
    """
    mean = float(((correct_P + 1) / (n + 2)).mean())
    variance = ((correct_P + 1) * (n - correct_P + 1) / ((n + 2) ** 2 * (n + 3))).sum() / len(correct_P) ** 2
    return mean, float(np.sqrt(variance))


def support(base_SP: IntArray, now_SP: IntArray) -> dict[str, Interval]:
    """Of problems that the base solved at least once the share that is kept (retention), of those solved now the share
    that is new (discovery), and the harmonic mean of these two (support).

    Source: arXiv 2507.14843 (support accounting; it calls the mean the support dynamic score). Intervals are those of
    the report's draws; a draw without such a problem counts as 0. Assumes that n samples tell what is in reach.

    Args:
        base_SP: Right answers of the base by seed and problem.
        now_SP: Of the trained policy.
    """
    had_SP, has_SP = base_SP > 0, now_SP > 0
    kept = _with_draws(had_SP & has_SP)
    retention = _ratio(kept, _with_draws(had_SP))
    discovery = _ratio(_with_draws(has_SP & ~had_SP), _with_draws(has_SP))
    both = _ratio(2 * retention * discovery, retention + discovery)
    return {"retention": _interval(retention), "discovery": _interval(discovery), "support": _interval(both)}


def _interval(value: FloatArray) -> Interval:
    low, high = np.percentile(value[1:], [2.5, 97.5])
    return Interval(float(value[0]), float(low), float(high))


def _with_draws(true_SP: NDArray[np.bool_]) -> FloatArray:
    """The share of true ones [1 + R], here and in each of the report's draws."""
    value_SP = true_SP.astype(np.float64)
    return np.concatenate([[value_SP.mean()], resampled_means(value_SP)])


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
