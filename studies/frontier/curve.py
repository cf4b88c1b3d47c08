"""Levels of Pass@1, what a path reaches at them, and the area below a set of paths."""

from collections.abc import Sequence

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.report.paths import first_at

LEVELS = np.round(np.arange(0.0, 0.30001, 0.001), 4)  # of Pass@1


def reach(one_T: FloatArray, many_T: FloatArray, level_L: FloatArray = LEVELS) -> FloatArray:
    """Pass@256 where Pass@1 first reaches each level, interpolated between evaluations; NaN where it never does."""
    places = [first_at(one_T, level) for level in level_L]
    return np.array([np.nan if place is None else float(place.of(many_T)) for place in places])


def area(reach_NL: Sequence[FloatArray], base: float, guess: float) -> float:
    """The area that a set of paths dominates above the base's Pass@1 and guessing's Pass@256, in points x points.

    At each level, the best path at that level or at a higher one counts.
    """
    best_L = envelope(reach_NL)
    above = base < LEVELS
    return float(np.clip(best_L[above] - guess, 0, None).sum() * (LEVELS[1] - LEVELS[0]) * 1e4)


def envelope(reach_NL: Sequence[FloatArray]) -> FloatArray:
    """The best Pass@256 at each level of Pass@1, or at a higher level; 0 where none reaches it."""
    best_L = np.max([np.nan_to_num(reach_L) for reach_L in reach_NL], axis=0)
    return np.maximum.accumulate(best_L[::-1])[::-1]
