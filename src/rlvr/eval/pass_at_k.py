"""Pass@k without bias."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rlvr.eval.bootstrap import FloatArray


def pass_at_k(correct_P: NDArray[np.int64] | Sequence[int], n: int, k: int) -> FloatArray:
    """Chance that at least one of k samples is right, estimated for each problem from n samples.

    Args:
        correct_P: c, right answers among n samples, a problem each.
        n: Samples a problem.
        k: Tries; at most n.

    Returns:
        Pass@k of each problem, between 0 and 1.

    Raises:
        ValueError: When k is not in 1..n or a count not in 0..n.
    """
    counted_P = np.asarray(correct_P, dtype=np.int64)
    if ((counted_P < 0) | (counted_P > n)).any():
        raise ValueError(f"Pass@k needs counts of right answers between 0 and n = {n}.")
    return np.asarray(pass_by_count(n, k)[counted_P])


@lru_cache(maxsize=256)
def pass_by_count(n: int, k: int) -> FloatArray:
    """Pass@k [n+1] of a problem with c = 0 .. n right answers among n samples.

    1 - C(n-c, k) / C(n, k) = 1 - prod_{i=n-c+1..n} (1 - k/i), in float64, stable at any n.
    Source: arXiv 2107.03374, Eq. 1.

    Raises:
        ValueError: When k is not in 1..n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"Pass@k needs 1 <= k <= n, and k is {k} with n = {n} samples a problem.")
    # A factor 1 - k/i with i < k is negative, but then the factor at i = k, which is 0, is in the product too.
    none_right_C = np.concatenate([[1.0], np.cumprod(1 - k / np.arange(n, 0, -1))])
    values_C: FloatArray = 1 - np.maximum(none_right_C, 0.0)
    values_C.setflags(write=False)  # the cache hands out this very array
    return values_C


def powers_of_two(n: int) -> list[int]:
    """1, 2, 4, ... up to n."""
    return [2**exponent for exponent in range(n.bit_length())]
