"""What a study could not have detected, given its numbers of problems and samples."""

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from rlvr.eval.bands import ADDED, Band
from rlvr.eval.bootstrap import FloatArray, Interval, bootstrap_mean
from rlvr.eval.claims import Claims, least
from rlvr.eval.estimators import IntArray

POWER = 0.8
WANTED = 0.03  # the difference of Pass@k that a study should detect


def detectable(band: Band, base_QSP: FloatArray) -> FloatArray:
    """The true differences [Q] that such a study detects in 80 of 100 cases, in which its interval excludes 0.

    The result is the larger of two. The first is A x deviation with A = critical + z_.8, the usual normal approximation
    (Cohen 1988, Statistical Power Analysis), for a study that varies as this one does. The second is for problems that
    are lost while nothing else changes: the d with d = A x deviation, where the deviation's square is (r d - d^2) / P +
    2 / P^2. Here r = E[v^2] / E[v] over the base's values v, and the last term is that of `simultaneous`. Assumes that
    a difference is of one of these two kinds.

    Args:
        band: The band of the differences.
        base_QSP: The base's values, between 0 and 1, of each seed and problem.
    """
    factor = band.critical + NormalDist().inv_cdf(POWER)
    problems, mean_Q = base_QSP.shape[2], base_QSP.mean(axis=(1, 2))
    r_Q = np.divide((base_QSP**2).mean(axis=(1, 2)), mean_Q, out=np.zeros_like(mean_Q), where=mean_Q > 0)
    half_Q = factor**2 * r_Q / (2 * (problems + factor**2))
    lost_Q = half_Q + np.sqrt(half_Q**2 + ADDED * factor**2 / (problems * (problems + factor**2)))
    return np.maximum(factor * band.deviation_Q, lost_Q)


def problems_for(problems: int, seen: float) -> int:
    """Problems needed to detect `WANTED`, if `problems` are enough for `seen`: P (seen / wanted)^2, samples unchanged.

    Assumes that results vary only with the problems; with several seeds it takes more.
    """
    return ceil(problems * (seen / WANTED) ** 2)


@dataclass(frozen=True)
class Unseen:
    """Losses that a ledger could not have claimed.

    Attributes:
        least: Right answers of the base from which on one more lost problem would have been claimed, by seed.
        solved: Problems that the base solved at least once, by seed.
        weak: Those that it solved less often than `least`, by seed. Their loss would not have been claimed.
        share: Share of the weak ones among all problems, with its interval for new problems and seeds.
    """

    least: tuple[int, ...]
    solved: tuple[int, ...]
    weak: tuple[int, ...]
    share: Interval


def unseen(base_SP: IntArray, found: list[Claims]) -> Unseen:
    """Count the problems whose loss would have stayed below the ledger's threshold.

    A lost problem has no right answer now, so that the base's count alone decides whether it is claimed. The result is
    a count, not an estimate. It leaves out problems that the base could solve, but did not solve in n samples: how many
    these are is not known.

    Args:
        base_SP: Right answers of the base by seed and problem.
        found: The claims of each seed.
    """
    fewest = [least(one) for one in found]
    weak_SP = (base_SP > 0) & (base_SP < np.array(fewest)[:, None])
    solved, weak = (base_SP > 0).sum(axis=1).tolist(), weak_SP.sum(axis=1).tolist()
    return Unseen(tuple(fewest), tuple(solved), tuple(weak), bootstrap_mean(weak_SP.astype(np.float64)))
