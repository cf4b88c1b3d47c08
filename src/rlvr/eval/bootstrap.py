"""Bootstrap intervals over problems: how much of a difference is the choice of problems."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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


def bootstrap_mean(value_SP: FloatArray, resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean over problems with a percentile interval; give differences for a paired one.

    Args:
        value_SP: One value for each seed (of training) and problem. With several seeds both are resampled.
        resamples: Bootstrap draws.
        seed: Seed of the draws, fixed so that the same results give the same interval.
    """
    seeds, problems = value_SP.shape
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for draw in range(resamples):
        rows = rng.integers(seeds, size=seeds)
        columns = rng.integers(problems, size=problems)
        means[draw] = value_SP[rows].mean(axis=0)[columns].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(value_SP.mean()), float(low), float(high))
