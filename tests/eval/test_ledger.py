"""The ledger against counting by hand, its chances against enumeration and the published ones."""

from itertools import combinations

import numpy as np
import pytest

from rlvr.eval import Evaluation, ledger
from rlvr.eval.ledger import one_sided


def evaluation(correct: list[int], n: int = 256, prefix: str = "p") -> Evaluation:
    ids = tuple(f"{prefix}{index}" for index in range(len(correct)))
    return Evaluation(n, ids, tuple(correct), 1.0, 0.0, 0.0)


def test_published_chances():
    """K = 256, c = 1..7: so 5 is the first below 5 % and 7 the first below 1 %."""
    chances = [round(one_sided(c, 256), 4) for c in range(1, 8)]
    assert chances == pytest.approx([0.5, 0.249, 0.124, 0.062, 0.031, 0.015, 0.0075], abs=0.0006)
    assert [c for c in range(1, 8) if one_sided(c, 256) < 0.05] == [5, 6, 7]
    assert [c for c in range(1, 8) if one_sided(c, 256) < 0.01] == [7]


@pytest.mark.parametrize(("c", "n"), [(1, 2), (2, 3), (3, 4), (4, 4)])
def test_chance_by_enumeration(c: int, n: int):
    """All ways to put c successes into 2n samples; the first n are the base's."""
    ways = list(combinations(range(2 * n), c))
    assert one_sided(c, n) == pytest.approx(sum(all(i < n for i in way) for way in ways) / len(ways))


def test_counts_by_brute_force():
    """Random counts, many of them 0."""
    rng = np.random.default_rng(0)
    base, now = (rng.integers(0, 12, 300) * (rng.random(300) < 0.5) for _ in range(2))
    found = ledger(evaluation(base.tolist()), evaluation(now.tolist()))
    entries = [(f"p{i}", int(now[i])) for i in range(300) if base[i] == 0 and now[i] > 0]
    losses = [(f"p{i}", int(base[i])) for i in range(300) if base[i] > 0 and now[i] == 0]
    assert sorted((c.problem_id, c.now) for c in found.of("entry")) == sorted(entries)
    assert sorted((c.problem_id, c.base) for c in found.of("loss")) == sorted(losses)
    assert len(found.of("loss", 0.05)) == sum(count >= 5 for _, count in losses)
    assert len(found.of("entry", 0.01)) == sum(count >= 7 for _, count in entries)
    assert (found.base_coverage, found.coverage) == (int((base > 0).sum()), int((now > 0).sum()))
    chances = [change.p for change in found.changes]
    assert chances == sorted(chances)


def test_other_problems_are_refused():
    """Ledgers compare like with like."""
    with pytest.raises(ValueError, match="same problems"):
        ledger(evaluation([1]), evaluation([1], prefix="q"))
    with pytest.raises(ValueError, match="equally many"):
        ledger(evaluation([1]), evaluation([1], n=8))
