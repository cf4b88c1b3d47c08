"""Many tests at once: which of them may be believed together."""

import numpy as np

from rlvr.eval.bootstrap import FloatArray

LEVEL = 0.05


def false_discovery(p_N: FloatArray, tests: int) -> FloatArray:
    """Adjusted p [N]: those at or below q have, on average, at most a share q of false ones among them.

    Source: Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57(1): q_i = min over j with p_j >= p_i of p_j M / rank_j.
    Assumes that the tests are independent, or positively dependent.

    Args:
        p_N: Chances under the hypotheses that nothing has changed.
        tests: M, all tests that were made; those that are not among `p_N` have p = 1.
    """
    order = np.argsort(p_N, kind="stable")
    scaled_N = p_N[order] * tests / np.arange(1, len(p_N) + 1)
    adjusted_N = np.empty(len(p_N))
    adjusted_N[order] = np.minimum(np.minimum.accumulate(scaled_N[::-1])[::-1], 1.0)
    return adjusted_N


def surely(p_N: FloatArray, tests: int, level: float = LEVEL) -> int:
    """How many of the smallest p are all true discoveries, with confidence 1 - `level`, however the tests depend.

    Source: Holm 1979, Scand. J. Stat. 6(2): rejected from the smallest on while p_(i) <= level / (M - i + 1).
    """
    sorted_N = np.sort(p_N)
    passed_N = sorted_N <= level / (tests - np.arange(len(sorted_N)))
    return int(np.logical_and.accumulate(passed_N).sum())
