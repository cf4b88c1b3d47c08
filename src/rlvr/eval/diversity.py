"""How many different right answers there are, from how often each was written.

Source: Miller 1955 (entropy's bias), Good 1953 (mass of what was not seen), Chao 1984 (a lower bound of their number).
"""

from collections.abc import Sequence

import numpy as np


def effective_number(count_T: Sequence[int]) -> float:
    """e^H: as many equally frequent texts have this entropy; H = -sum p log p + (T - 1) / 2N, nats (Miller-Madow).

    Assumes that texts were drawn independently; grows with their number N where many were not seen.
    """
    share_T = np.array(count_T, dtype=np.float64) / sum(count_T)
    entropy = float(-(share_T * np.log(share_T)).sum()) + (len(count_T) - 1) / (2 * sum(count_T))
    return float(np.exp(entropy))


def unseen_mass(count_T: Sequence[int]) -> float:
    """f_1 / N (Good and Turing): the chance that the next right answer is a text that was not written before."""
    return sum(count == 1 for count in count_T) / sum(count_T)


def chao1(count_T: Sequence[int]) -> float:
    """T + f_1 (f_1 - 1) / (2 (f_2 + 1)): a lower bound, in expectation, of how many different texts there are."""
    once, twice = (sum(count == times for count in count_T) for times in (1, 2))
    return len(count_T) + once * (once - 1) / (2 * (twice + 1))
