"""What a design could not have seen: so many problems, so many samples."""

from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from rlvr.eval.bands import Band
from rlvr.eval.bootstrap import FloatArray, Interval, bootstrap_mean
from rlvr.eval.claims import Claims, least
from rlvr.eval.estimators import IntArray

POWER = 0.8
WANTED = 0.03  # the difference of Pass@k that a design is asked for


def detectable(band: Band) -> FloatArray:
    """The true differences [Q] that such a study finds, its interval excluding 0, in 80 of 100 cases.

    (critical + z_.8) x deviation, the usual normal approximation (Cohen 1988, Statistical Power Analysis). Assumes that
    a study with such a difference varies as this one does.
    """
    return (band.critical + NormalDist().inv_cdf(POWER)) * band.deviation_Q


def problems_for(problems: int, seen: float) -> int:
    """Problems that it takes to see `WANTED` where so many see `seen`: P (seen / wanted)^2, the samples as they are.

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
