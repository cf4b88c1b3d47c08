"""What a design could not have seen, given its numbers of problems and samples."""

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from rlvr.eval.bands import ADDED, Band
from rlvr.eval.bootstrap import FloatArray, Interval, bootstrap_mean
from rlvr.eval.claims import Claims, least
from rlvr.eval.estimators import IntArray

POWER = 0.8
WANTED = 0.03  # the difference of Pass@k that a design is asked for


def detectable(band: Band, base_QSP: FloatArray) -> FloatArray:
    """The true differences [Q] that such a study finds, its interval excluding 0, in 80 of 100 cases.

    A x deviation with A = critical + z_.8, the usual normal approximation (Cohen 1988, Statistical Power Analysis), for
    a study that varies as this one does; or what it takes where problems are lost and nothing else changes, if that is
    more: the d with d = A x deviation there, whose square is (r d - d^2) / P + 2 / P^2, r = E[v^2] / E[v] over the
    base's v and the last term that of `simultaneous`. Assumes that a difference is of one of these two kinds.

    Args:
        band: Of the differences.
        base_QSP: The base's values, between 0 and 1, of each seed and problem.
    """
    factor = band.critical + NormalDist().inv_cdf(POWER)
    problems, mean_Q = base_QSP.shape[2], base_QSP.mean(axis=(1, 2))
    r_Q = np.divide((base_QSP**2).mean(axis=(1, 2)), mean_Q, out=np.zeros_like(mean_Q), where=mean_Q > 0)
    half_Q = factor**2 * r_Q / (2 * (problems + factor**2))
    lost_Q = half_Q + np.sqrt(half_Q**2 + ADDED * factor**2 / (problems * (problems + factor**2)))
    return np.maximum(factor * band.deviation_Q, lost_Q)


def problems_for(problems: int, seen: float) -> int:
    """Problems needed to see `WANTED`, when `problems` are enough for `seen`: P (seen / wanted)^2, samples unchanged.

    Assumes that problems are all that makes results vary; with several seeds it takes more.
    """
    return ceil(problems * (seen / WANTED) ** 2)


@dataclass(frozen=True)
class Unseen:
    """Losses that a ledger could not have claimed.

    Attributes:
        least: Right answers of the base from which on one lost problem more would have been claimed, by seed.
        solved: Problems that the base solved at least once, by seed.
        weak: Those that it solved less often than that, by seed: had one been lost, it would not have been claimed.
        share: Of all problems the part that is weak, with its interval for new problems and seeds.
    """

    least: tuple[int, ...]
    solved: tuple[int, ...]
    weak: tuple[int, ...]
    share: Interval


def unseen(base_SP: IntArray, found: list[Claims]) -> Unseen:
    """Count the problems whose loss would have stayed below the ledger's threshold.

    A problem that is lost has no right answer now, so that the base's count alone decides whether it is claimed: a
    count, no estimate. Problems that the base could solve and did not in n samples come on top, unknown how many.

    Args:
        base_SP: Right answers of the base by seed and problem.
        found: The claims of each seed.
    """
    fewest = [least(one) for one in found]
    weak_SP = (base_SP > 0) & (base_SP < np.array(fewest)[:, None])
    solved, weak = (base_SP > 0).sum(axis=1).tolist(), weak_SP.sum(axis=1).tolist()
    return Unseen(tuple(fewest), tuple(solved), tuple(weak), bootstrap_mean(weak_SP.astype(np.float64)))
