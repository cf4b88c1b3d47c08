"""What holds for whole curves at once: bands over every k, and by which k a curve has crossed its base's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rlvr.eval.bootstrap import RESAMPLES, FloatArray, Interval, draws
from rlvr.eval.multiple import LEVEL

NOTHING = 1e-12  # a standard deviation below it is rounding
ADDED = 2  # problems, see `simultaneous`


@dataclass(frozen=True)
class Band:
    """Q means whose intervals all hold at once.

    Attributes:
        mean_Q: Means over seeds and problems.
        deviation_Q: Their standard deviations over the bootstrap's draws, and of the problems added to these.
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


def simultaneous(value_QSP: FloatArray, level: float = LEVEL) -> Band:
    """The band that has all Q true means inside it in 95 of 100 studies; pointwise intervals have each by itself.

    The largest |t| over the quantities in each draw, and the 95th percentile of these: mean +- critical x deviation.
    Source: sup-t band of Montiel Olea and Plagborg-Moller 2019, J. Appl. Econometrics 34(1), 1-17. Where few problems
    differ the draws vary too little: the deviation counts two problems more, one that moved up and one that moved down
    by the largest move seen (the idea of Agresti and Coull 1998, Am. Stat. 52(2), for proportions; the number is ours),
    without which the band of 30 problems misses two to three times as often as it says. Assumes that problems (and
    seeds, where there are several) are independent draws, 20 problems or more; few seeds make it too narrow.

    Args:
        value_QSP: One value for each quantity, seed and problem: Pass@k differences at every k, say.
        level: Share of studies in which some mean may be outside.
    """
    mean_RQ, mean_Q = resampled(value_QSP), value_QSP.mean(axis=(1, 2))
    deviation_Q = mean_RQ.std(axis=0)
    away_RQ = np.abs(mean_RQ - mean_Q)
    t_RQ = np.divide(away_RQ, deviation_Q, out=np.zeros_like(away_RQ), where=deviation_Q > NOTHING)
    alone = NormalDist().inv_cdf(1 - level / 2)  # of one quantity; also where nothing differs
    critical = max(alone, float(np.quantile(t_RQ.max(axis=1), 1 - level)))
    largest_Q = np.abs(value_QSP.mean(axis=1)).max(axis=1)
    largest_Q = np.where(largest_Q > NOTHING, largest_Q, 1.0)
    return Band(mean_Q, np.sqrt(deviation_Q**2 + ADDED * (largest_Q / value_QSP.shape[2]) ** 2), critical)


def crossed_by(difference_KSP: FloatArray) -> FloatArray:
    """P(k* <= K) [K]: share of the bootstrap's curves that have been below their base's at some k up to K.

    k* is `rlvr.eval.bootstrap.crossing`'s, k in rising order. It assumes what the bootstrap assumes, and is a share of
    draws: it claims no error rate, and where two curves are the same it is far from 0.
    """
    mean_RK = resampled(difference_KSP)
    return np.asarray(np.logical_or.accumulate(mean_RK < 0, axis=1).sum(axis=0) / RESAMPLES)


def excluding(intervals: Sequence[Interval]) -> list[int]:
    """Of each interval the sign, 0 where it includes 0."""
    return [(interval.low > 0) - (interval.high < 0) for interval in intervals]
