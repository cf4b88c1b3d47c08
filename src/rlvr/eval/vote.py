"""maj@k: is the answer that most of k samples give the right one?"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rlvr.eval.bootstrap import FloatArray

DRAWS = 100


def majority_at_k(answers: Sequence[str], right: Sequence[bool], k: int, seed: int = 0) -> float:
    """Chance that the most frequent answer of k samples, drawn without replacement from n, is right.

    Samples without an answer don't vote; of answers equally frequent the one that was drawn first wins.

    Args:
        answers: Final answers of a problem's n samples, equal strings for equal answers; empty: none.
        right: Whether each is right.
        k: Samples that vote; at most n.
        seed: Of the draws, fixed so that the same samples give the same number.

    Returns:
        Mean over `DRAWS` draws; over the one possible draw when k = n.
    """
    if not any(right):
        return 0.0
    names = {name: vote for vote, name in enumerate(dict.fromkeys(["", *answers]))}  # no answer is vote 0
    vote_N = np.fromiter(map(names.__getitem__, answers), dtype=np.int64, count=len(answers))
    right_V = np.zeros(len(names), dtype=bool)
    right_V[vote_N[np.asarray(right)]] = True
    right_V[0] = False
    n = len(answers)
    vote_DK = vote_N[np.arange(n)[None] if k == n else _draws(n, DRAWS, seed)[:, :k]]
    draw_D = np.arange(len(vote_DK))
    cell_DK = draw_D[:, None] * len(names) + vote_DK
    count_DV = np.bincount(cell_DK.ravel(), minlength=len(vote_DK) * len(names)).reshape(-1, len(names))
    count_DV[:, 0] = 0
    first_D = count_DV.ravel()[cell_DK].argmax(axis=1)  # of the most frequent, the one that was drawn first
    return float(right_V[vote_DK[draw_D, first_D]].mean())


def majority(answers_P: Sequence[Sequence[str]], right_P: Sequence[Sequence[bool]], k: int) -> FloatArray:
    """maj@k of each problem."""
    return np.array([majority_at_k(answers, right, k) for answers, right in zip(answers_P, right_P, strict=True)])


@lru_cache(maxsize=2)
def _draws(n: int, draws: int, seed: int) -> NDArray[np.int64]:
    """The numbers 0 to n-1 in D random orders, of which a vote of k takes the first k: the same for every problem."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(n) for _ in range(draws)])
