"""Statements on whole curves: bands that hold at every k at once, and by which k a curve has crossed its base's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from rlvr.eval.bootstrap import RESAMPLES, FloatArray, Interval, draws
from rlvr.eval.multiple import LEVEL

NOTHING = 1e-12  # a standard deviation below it is rounding
ADDED = 2  # problems, see `simultaneous`
NORMAL = NormalDist().inv_cdf(1 - LEVEL / 2)
# Student's t at the same level by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 8: 2.306, 10: 2.228, 20: 2.086, 60: 2.000}


@dataclass(frozen=True)
class Band:
    """Q means whose intervals all hold at once.

    Attributes:
        mean_Q: Means over seeds and problems.
        deviation_Q: Their standard deviations over the bootstrap's draws, enlarged for few problems and few seeds.
        critical: Standard deviations from the mean to either end of its interval, the same for all Q.
    """

    mean_Q: FloatArray
    deviation_Q: FloatArray
    critical: float

    @property
    def intervals(self) -> list[Interval]:
        """Each mean with its part of the band."""
        half_Q = self.critical * self.deviation_Q
        ends = zip(self.mean_Q.tolist(), half_Q.tolist(), strict=True)
        return [Interval(mean, mean - half, mean + half) for mean, half in ends]


def resampled(value_QSP: FloatArray) -> FloatArray:
    """Means [R, Q] in each of the report's draws of seeds and problems, the same draws for all Q quantities."""
    _, seeds, problems = value_QSP.shape
    seed_RS, problem_RP = draws(seeds, problems)
    return np.einsum("qsr,rs->rq", value_QSP @ problem_RP.T, seed_RS) / (seeds * problems)


def simultaneous(value_QSP: FloatArray) -> Band:
    """The band that holds all Q true means at once in 95 of 100 studies. A pointwise interval holds only its own mean.

    The band is mean +- critical x deviation, with the 95th percentile over draws of the largest |t| as `critical`.
    Source: sup-t band of Montiel Olea and Plagborg-Moller 2019, J. Appl. Econometrics 34(1), 1-17. Where few problems
    differ, the draws vary too little. So the deviation counts two problems more, one that moved up and one that moved
    down by the largest move seen (the idea of Agresti and Coull 1998, Am. Stat. 52(2), for proportions; the number is
    ours). Without them the band of 30 problems misses two to three times as often as it says. Few seeds need a similar
    correction, see `for_few_seeds`. Assumes that problems, and seeds where there are several, are independent draws,
    and 20 problems or more.

    Args:
        value_QSP: One value for each quantity, seed and problem, for example Pass@k differences at every k.
    """
    mean_RQ, mean_Q = resampled(value_QSP), value_QSP.mean(axis=(1, 2))
    deviation_Q = mean_RQ.std(axis=0)
    away_RQ = np.abs(mean_RQ - mean_Q)
    t_RQ = np.divide(away_RQ, deviation_Q, out=np.zeros_like(away_RQ), where=deviation_Q > NOTHING)
    critical = max(NORMAL, float(np.quantile(t_RQ.max(axis=1), 1 - LEVEL)))  # the normal's where nothing differs
    largest_Q = np.abs(value_QSP.mean(axis=1)).max(axis=1)
    largest_Q = np.where(largest_Q > NOTHING, largest_Q, 1.0)
    added_Q = ADDED * (largest_Q / value_QSP.shape[2]) ** 2
    return Band(mean_Q, for_few_seeds(value_QSP, np.sqrt(deviation_Q**2 + added_Q)), critical)


def ratios(above_QSP: FloatArray, below_QSP: FloatArray) -> list[Interval]:
    """Intervals that hold at once for Q ratios of sums over seeds and problems, such as entropy by number of tokens.

    They are the band of `simultaneous` for what each problem adds to a ratio to first order, (above - ratio x below) /
    mean below (the delta method). A percentile bootstrap of ratios of 30 to 60 problems misses too often.

    Args:
        above_QSP: The numerators' terms, for each ratio, seed and problem.
        below_QSP: The denominators' terms; those of a ratio must not all be 0.
    """
    mean_Q = below_QSP.mean(axis=(1, 2))
    ratio_Q = above_QSP.mean(axis=(1, 2)) / mean_Q
    added_QSP = (above_QSP - ratio_Q[:, None, None] * below_QSP) / mean_Q[:, None, None]
    return replace(simultaneous(added_QSP), mean_Q=ratio_Q).intervals


def for_few_seeds(value_QSP: FloatArray, deviation_Q: FloatArray) -> FloatArray:
    """Deviations [Q], corrected for few seeds, whose draws understate how much seeds differ.

    The seeds' part of the variance is v / S, where v is the unbiased variance of their means; the draws show (S - 1) /
    S of it. The whole deviation is widened by the ratio of Student's t to the normal quantile, with the degrees of
    freedom of Welch and Satterthwaite (Biometrics Bulletin 2(6), 1946). It assumes that seeds are near normal. Two
    seeds that differ by far more than problems explain hardly tell their spread; the interval then still misses
    somewhat more often than it says. The deviation of one seed stays as it is.
    """
    _, seeds, problems = value_QSP.shape
    if seeds == 1:
        return deviation_Q
    of_seeds_Q = value_QSP.mean(axis=2).var(axis=1, ddof=1) / seeds
    of_problems_Q = np.maximum(deviation_Q**2 - of_seeds_Q * (seeds - 1) / seeds, NOTHING)
    whole_Q = of_problems_Q + of_seeds_Q
    freedom_Q = whole_Q**2 / (of_problems_Q**2 / (problems - 1) + of_seeds_Q**2 / (seeds - 1))
    return np.asarray(np.sqrt(whole_Q) * student(freedom_Q) / NORMAL)


def student(freedom_Q: FloatArray) -> FloatArray:
    """Student's t [Q] at 97.5 % for any degrees of freedom from 1 on, a little too large between those of the table."""
    inverse, t = zip(*((1 / freedom, value) for freedom, value in reversed(STUDENT.items())), strict=True)
    return np.interp(1 / freedom_Q, [0.0, *inverse], [NORMAL, *t])


def crossed_by(difference_KSP: FloatArray) -> FloatArray:
    """P(k* <= K) [K]: share of the bootstrap's curves that have been below their base's at some k up to K.

    `rlvr.eval.bootstrap.crossing` defines k*; k must be in rising order. It assumes what the bootstrap assumes. It is a
    share of draws and claims no error rate: where two curves are the same it is far from 0.
    """
    mean_RK = resampled(difference_KSP)
    return np.asarray(np.logical_or.accumulate(mean_RK < 0, axis=1).sum(axis=0) / RESAMPLES)


def excluding(intervals: Sequence[Interval]) -> list[int]:
    """The sign of each interval; 0 where it includes 0."""
    return [(interval.low > 0) - (interval.high < 0) for interval in intervals]
