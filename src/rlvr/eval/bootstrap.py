"""Bootstrap intervals over problems: how much of a difference is the choice of problems."""

from dataclasses import dataclass
from functools import lru_cache
from math import inf

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % percentile interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a curve falls below its base's.

    Attributes:
        k: Smallest such k, interpolated on log2 k; infinite where it does not happen up to the largest k.
        low: Of the 95 % percentile interval; infinite as `k`.
        high: Of the same.
        share: Resamples in which it happens.
    """

    k: float
    low: float
    high: float
    share: float


def bootstrap_mean(value_SP: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Mean over problems with a percentile interval; give differences for a paired one.

    Args:
        value_SP: One value for each seed (of training) and problem. Problems are drawn anew, and seeds as clusters: a
            seed that is drawn brings all of its problems.
        resamples: Bootstrap draws.
        seed: Seed of the draws, fixed so that the same results give the same interval.
    """
    low, high = np.percentile(resampled_means(value_SP, resamples, seed), [2.5, 97.5])
    return Interval(float(value_SP.mean()), float(low), float(high))


def resampled_means(value_SP: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> FloatArray:
    """The mean in each of R draws; the draws depend on the shape and the seed only, so that they pair up."""
    seeds, problems = value_SP.shape
    seed_RS, problem_RP = draws(seeds, problems, resamples, seed)
    return np.asarray(((seed_RS @ value_SP) * problem_RP).sum(axis=1) / value_SP.size)


def bootstrap_crossing(ks: list[int], difference_KSP: FloatArray) -> Crossing:
    """Smallest k at which a method's Pass@k is below its base's, with an interval over problems and seeds.

    Args:
        ks: K values of k, rising.
        difference_KSP: Method minus base for each k, seed and problem.
    """
    mean_RK = np.stack([resampled_means(difference_SP) for difference_SP in difference_KSP], axis=1)
    found_R = np.array([crossing(ks, mean_K) for mean_K in mean_RK])
    # A percentile between two draws would be the mean of a number and infinity, so take one of the draws.
    low, high = np.percentile(found_R, [2.5, 97.5], method="inverted_cdf")
    k = crossing(ks, difference_KSP.mean(axis=(1, 2)))
    return Crossing(k, float(low), float(high), float(np.isfinite(found_R).mean()))


def crossing(ks: list[int], difference_K: FloatArray) -> float:
    """Smallest k at which a difference of curves is below 0, interpolated on log2 k; infinite where it never is."""
    below = np.flatnonzero(difference_K < 0)
    if not len(below):
        return inf
    at = int(below[0])
    if at == 0:
        return float(ks[0])
    before, after = difference_K[at - 1], difference_K[at]
    fraction = before / (before - after)
    return float(2 ** ((1 - fraction) * np.log2(ks[at - 1]) + fraction * np.log2(ks[at])))


@lru_cache(maxsize=4)
def draws(seeds: int, problems: int, resamples: int = RESAMPLES, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """How often each seed and each problem is drawn, [R, S] and [R, P]."""
    rng = np.random.default_rng(seed)
    return _counts(rng, seeds, resamples), _counts(rng, problems, resamples)


def _counts(rng: np.random.Generator, size: int, resamples: int) -> FloatArray:
    drawn_RN = rng.integers(size, size=(resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(drawn_RN.ravel(), minlength=resamples * size).reshape(resamples, size).astype(np.float64)
