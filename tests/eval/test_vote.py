"""maj@k by hand and by brute force over all subsets."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from rlvr.eval import vote
from rlvr.eval.vote import majority_at_k

ANSWERS = ["7", "7", "", "5", "5", "5", "9", ""]
RIGHT = [answer == "5" for answer in ANSWERS]


def test_all_samples_vote_once():
    """5 has three votes, 7 two; silence, however frequent, wins nothing."""
    assert majority_at_k(ANSWERS, RIGHT, 8) == 1.0
    assert majority_at_k(["", "", "", "5"], [False, False, False, True], 4) == 1.0
    assert majority_at_k(["7", "7", "5"], [False, False, True], 3) == 0.0
    assert majority_at_k(["", ""], [False, False], 2) == 0.0


def test_a_tie_goes_to_the_first():
    """In the order drawn."""
    assert majority_at_k(["5", "7"], [True, False], 2) == 1.0
    assert majority_at_k(["7", "5"], [False, True], 2) == 0.0


@pytest.mark.parametrize("k", [1, 4, 7, 64])
def test_all_draws_at_once_are_each_draw_by_itself(k: int):
    """Counted one after the other; of answers equally frequent the one that comes first."""
    rng = np.random.default_rng(k)
    answers = [["", "5", "7", "9", "11"][i] for i in rng.integers(5, size=64)]
    right = [answer in ("5", "9") for answer in answers]
    orders, wins = np.random.default_rng(0), []
    for order in [orders.permutation(64) for _ in range(vote.DRAWS)] if k < 64 else [range(64)]:
        voting = Counter(answers[i] for i in order[:k] if answers[i])  # most_common keeps the order of ties
        wins.append(bool(voting) and voting.most_common(1)[0][0] in ("5", "9"))
    assert majority_at_k(answers, right, k) == np.mean(wins)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_draws_estimate_the_mean_over_all_subsets(monkeypatch, k: int):
    """Odd k; a subset's ties are broken by its order, half of them each way, so they count for half."""
    monkeypatch.setattr(vote, "DRAWS", 20_000)

    def wins(subset: tuple[int, ...]) -> float:
        votes = [ANSWERS[i] for i in subset if ANSWERS[i]]
        top = max((votes.count(answer) for answer in votes), default=0)
        winners = {answer for answer in votes if votes.count(answer) == top}
        return ("5" in winners) / len(winners) if winners else 0.0

    subsets = list(combinations(range(8), k))
    exact = sum(map(wins, subsets)) / len(subsets)
    assert majority_at_k(ANSWERS, RIGHT, k) == pytest.approx(exact, abs=0.015)
