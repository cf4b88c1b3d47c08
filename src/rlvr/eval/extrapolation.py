"""Pass@k at more samples than were drawn: predictions of three families of success rates, fitted to the same counts.

Nothing in the samples decides between them: a problem that is never solved and one that is solved far less often than
once in n look alike. So the result is how far their predictions lie apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import lgamma

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.estimators import IntArray

FARTHEST = 4  # times n
Predict = Callable[[int], float]
"""Pass@k by k."""

GRID, ZOOMS = 41, 10
LOWEST, HIGHEST = np.log(1e-4), np.log(1e4)  # of the Beta distribution's two parameters
POINTS, ROUNDS = 120, 400
RAREST = 1e-6  # above 0, of the mixture


@dataclass(frozen=True)
class Counted:
    """How many problems had how many right answers.

    Attributes:
        n: Samples a problem.
        right_U: The different numbers of right answers, [U].
        problems_U: Problems with that many, [U].
    """

    n: int
    right_U: IntArray
    problems_U: IntArray

    @classmethod
    def of(cls, n: int, right: IntArray) -> "Counted":
        """Count right answers of any shape."""
        right_U, problems_U = np.unique(right, return_counts=True)
        return cls(n, right_U, problems_U)


def predictions(n: int, right: IntArray) -> dict[str, Predict]:
    """Pass@k by three families fitted to the same counts.

    Args:
        n: Samples a problem.
        right: Right answers among n, of any shape.
    """
    counted = Counted.of(n, right)
    a, b, z = fitted_beta(counted, zero_inflated=False)
    a0, b0, z0 = fitted_beta(counted, zero_inflated=True)
    return {
        "Beta": partial(pass_by_beta, a, b, z),
        "Beta and unsolvable": partial(pass_by_beta, a0, b0, z0),
        "mixture": partial(pass_by_mixture, *fitted_mixture(counted)),
    }


def fitted_beta(counted: Counted, zero_inflated: bool) -> tuple[float, float, float]:
    """A and b of the Beta distribution of success rates, and the share z of problems at 0, of greatest likelihood.

    By a grid over log a and log b that is made finer around its best point; the share z is solved for at each.

    Args:
        counted: The counts.
        zero_inflated: Whether z may be above 0.
    """
    middle, width = (np.array([0.0, 0.0]), (HIGHEST - LOWEST) / 2)
    for _ in range(ZOOMS):
        a_I, b_I = (np.exp(np.linspace(each - width, each + width, GRID).clip(LOWEST, HIGHEST)) for each in middle)
        value_II, z_II = _likelihood(counted, a_I, b_I, zero_inflated)
        i, j = np.unravel_index(int(value_II.argmax()), value_II.shape)
        middle, width = np.log([a_I[i], b_I[j]]), width / 4
    return float(a_I[i]), float(b_I[j]), float(z_II[i, j])


def _likelihood(counted: Counted, a_I: FloatArray, b_I: FloatArray, inflated: bool) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood without its constant, and the best share z, for each a and b, [I, I] each."""
    n, total = counted.n, counted.problems_U.sum()
    some = counted.right_U > 0
    of_none = int(counted.problems_U[~some].sum())
    right_U, problems_U = counted.right_U[some], counted.problems_U[some]
    above_I = (problems_U * (_lgamma(right_U + a_I[:, None]) - _lgamma(a_I)[:, None])).sum(axis=1)
    below_I = (problems_U * (_lgamma(n - right_U + b_I[:, None]) - _lgamma(b_I)[:, None])).sum(axis=1)
    sum_II = a_I[:, None] + b_I
    spread_II = _lgamma(n + sum_II) - _lgamma(sum_II)
    solved_II = above_I[:, None] + below_I - problems_U.sum() * spread_II
    none_II = _lgamma(n + b_I) - _lgamma(b_I) - spread_II  # log chance of no right answer
    z_II = np.zeros_like(none_II)
    if inflated:
        chance_II = np.exp(none_II).clip(max=1 - 1e-12)
        z_II = ((of_none / total - chance_II) / (1 - chance_II)).clip(0, 1 - 1e-12)
    at_zero_II = np.logaddexp(np.log(z_II.clip(1e-300)), np.log1p(-z_II) + none_II)
    return solved_II + (total - of_none) * np.log1p(-z_II) + of_none * at_zero_II, z_II


def pass_by_beta(a: float, b: float, z: float, k: int) -> float:
    """(1 - z) (1 - B(a, b + k) / B(a, b))."""
    none = lgamma(b + k) - lgamma(b) + lgamma(a + b) - lgamma(a + b + k)
    return float((1 - z) * -np.expm1(none))


def fitted_mixture(counted: Counted) -> tuple[FloatArray, FloatArray]:
    """Success rates and their weights, [J] each, by expectation and maximisation from equal weights.

    Laird 1978: the likelihood's maximum over all distributions of rates, here on a grid with 0 in it.
    """
    n = counted.n
    rate_J = np.concatenate([[0.0], np.geomspace(RAREST, 1.0, POINTS)])
    right_U = counted.right_U.astype(np.float64)
    choose_U = lgamma(n + 1) - _lgamma(right_U + 1) - _lgamma(n - right_U + 1)  # in logarithms
    with np.errstate(divide="ignore", invalid="ignore"):
        log_UJ = right_U[:, None] * np.log(rate_J) + (n - right_U[:, None]) * np.log1p(-rate_J)
    log_UJ = np.where(right_U[:, None] == 0, n * np.log1p(-rate_J.clip(max=1 - 1e-15)), log_UJ)
    log_UJ = np.where((right_U[:, None] == n) & (rate_J == 1), 0.0, log_UJ)
    chance_UJ = np.exp(choose_U[:, None] + np.nan_to_num(log_UJ, nan=-np.inf))
    weight_J = np.full(len(rate_J), 1 / len(rate_J))
    share_U = counted.problems_U / counted.problems_U.sum()
    for _ in range(ROUNDS):
        joint_UJ = chance_UJ * weight_J
        weight_J = share_U @ (joint_UJ / joint_UJ.sum(axis=1, keepdims=True))
    return rate_J, weight_J


def pass_by_mixture(rate_J: FloatArray, weight_J: FloatArray, k: int) -> float:
    """Sum over the rates of their weight times 1 - (1 - rate)^k."""
    return float(weight_J @ (1 - (1 - rate_J) ** k))


def held_out(n: int, right_SP: IntArray, seed: int = 0) -> Mapping[str, float]:
    """What the families make of Pass@n when they see a quarter of the samples, drawn without replacement.

    Args:
        n: Samples a problem, four or more.
        right_SP: Right answers among n.
        seed: Of the draw.
    """
    draw = np.random.default_rng(seed)
    fewer_SP = draw.hypergeometric(right_SP, n - right_SP, n // FARTHEST)
    return {name: predict(n) for name, predict in predictions(n // FARTHEST, fewer_SP).items()}


def _lgamma(values: FloatArray) -> FloatArray:
    return np.vectorize(lgamma, otypes=[np.float64])(values)
