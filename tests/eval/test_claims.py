"""Claims over many problems: against the definitions, by brute force, and at the error rates that they promise."""

from itertools import product

import numpy as np
import pytest

from rlvr.eval import Evaluation
from rlvr.eval.bands import simultaneous
from rlvr.eval.claims import claims, least
from rlvr.eval.ledger import one_sided
from rlvr.eval.multiple import LEVEL, false_discovery, surely
from rlvr.eval.power import POWER, WANTED, detectable, problems_for, unseen


def evaluation(correct: np.ndarray, n: int = 256) -> Evaluation:
    ids = tuple(f"p{index}" for index in range(len(correct)))
    return Evaluation(n, ids, tuple(int(c) for c in correct), 1.0, 0.0, 0.0)


def step_up(p: list[float], level: float) -> set[int]:
    """Benjamini and Hochberg as they wrote it: the largest i with p_(i) <= i q / M, and all before it."""
    order = sorted(range(len(p)), key=lambda index: p[index])
    passed = [i for i in range(1, len(p) + 1) if p[order[i - 1]] <= i * level / len(p)]
    return set(order[: max(passed, default=0)])


@pytest.mark.parametrize("seed", range(20))
def test_adjusted_chances_reject_as_the_step_up_rule_does(seed: int):
    rng = np.random.default_rng(seed)
    p = np.where(rng.random(40) < 0.3, rng.random(40) ** 6, rng.random(40)).round(4)
    for level in (0.01, 0.05, 0.3):
        assert set(np.flatnonzero(false_discovery(p, 40) <= level).tolist()) == step_up(p.tolist(), level)
    few = np.sort(p)[:15]  # tests that are left out have p = 1
    np.testing.assert_allclose(false_discovery(few, 40), false_discovery(np.concatenate([few, np.ones(25)]), 40)[:15])
    assert len(false_discovery(np.array([]), 40)) == 0


def test_holm_by_hand():
    """.01 <= .05/4, .015 <= .05/3, .03 > .05/2; a smaller one behind a refusal does not count."""
    assert surely(np.array([0.03, 0.01, 0.015, 0.04]), 4) == 2
    assert surely(np.array([0.01, 0.015]), 100) == 0
    assert surely(np.array([]), 5) == 0


def draw(
    rng: np.random.Generator, base_P: np.ndarray, now_P: np.ndarray, n: int = 128
) -> tuple[Evaluation, Evaluation]:
    return evaluation(rng.binomial(n, base_P), n), evaluation(rng.binomial(n, now_P), n)


def test_claims_against_the_step_up_rule():
    rng = np.random.default_rng(0)
    base_P = rng.beta(0.3, 2.0, size=200)
    now_P = np.where(rng.random(200) < 0.3, 0, base_P)
    before, now = draw(rng, base_P, now_P)
    found = claims(before, now)
    pairs = list(zip(before.correct, now.correct, strict=True))
    chances = {
        "loss": [one_sided(b, 128) if b > 0 == t else 1.0 for b, t in pairs],
        "entry": [one_sided(t, 128) if t > 0 == b else 1.0 for b, t in pairs],
    }
    for kind in ("loss", "entry"):
        expected = {before.problem_ids[index] for index in step_up(chances[kind], LEVEL)}
        assert {change.problem_id for change in found.of(kind)} == expected
        assert 0 <= found.surely(kind) <= len(expected)
    assert len(found.of("loss")) > 10


def test_false_claims_are_as_rare_as_promised():
    """Forty of 300 problems are lost, the others as they were: the mean share of false claims is below 5 %, and the
    number said to be sure is too large in fewer than 5 of 100 studies."""
    rng = np.random.default_rng(1)
    shares, too_many, trials = [], 0, 200
    for _ in range(trials):
        base_P = rng.beta(0.3, 3.0, size=300)
        lost = np.arange(300) < 40
        before, now = draw(rng, base_P, np.where(lost, 0, base_P))
        found = claims(before, now)
        claimed = [int(change.problem_id[1:]) for change in found.of("loss")]
        shares.append(sum(not lost[index] for index in claimed) / max(len(claimed), 1))
        too_many += found.surely("loss") > int(lost.sum())
        too_many += found.surely("entry") > 0
    assert np.mean(shares) <= LEVEL
    assert too_many / trials <= LEVEL


def test_least_by_trying_every_count():
    """Had one more of the problems been lost, the whole ledger is made again."""
    rng = np.random.default_rng(2)
    base_P = rng.beta(0.3, 3.0, size=120)
    before, now = draw(rng, base_P, np.where(np.arange(120) < 15, 0, base_P))
    found = claims(before, now)
    index = next(i for i, (b, t) in enumerate(zip(before.correct, now.correct, strict=True)) if b and t)
    claimed = []
    for count in range(1, 129):
        base_c, now_c = list(before.correct), list(now.correct)
        base_c[index], now_c[index] = count, 0
        again = claims(evaluation(np.array(base_c), 128), evaluation(np.array(now_c), 128))
        claimed.append(f"p{index}" in {change.problem_id for change in again.of("loss")})
    assert claimed == [count >= least(found) for count in range(1, 129)]


def test_least_where_nothing_can_be_claimed():
    """One sample against one: 1/2 is below no level."""
    assert least(claims(evaluation(np.array([1, 0]), 1), evaluation(np.array([1, 0]), 1))) == 2


def test_unseen_counts_the_problems_whose_loss_would_not_be_claimed():
    """Each solved problem is lost in turn, and the ledger made again."""
    rng = np.random.default_rng(3)
    counts = rng.binomial(64, rng.beta(0.4, 3.0, size=80))
    before = evaluation(counts, 64)
    found = unseen(counts[None], [claims(before, before)])
    hidden = 0
    for index in np.flatnonzero(counts):
        now = counts.copy()
        now[index] = 0
        hidden += not claims(before, evaluation(now, 64)).of("loss")
    assert found.weak == (hidden,)
    assert found.solved == (int((counts > 0).sum()),)
    assert found.share.mean == pytest.approx(hidden / 80)
    assert found.share.low <= found.share.mean <= found.share.high


def test_unseen_share_is_covered():
    """Problems drawn anew: the share's interval holds the mean over many studies."""
    rng, inside, trials = np.random.default_rng(4), 0, 200
    counts = [rng.binomial(64, rng.beta(0.4, 3.0, size=100)) for _ in range(trials)]
    shares = [unseen(c[None], [claims(evaluation(c, 64), evaluation(c, 64))]).share for c in counts]
    truth = np.mean([share.mean for share in shares])
    inside = sum(share.low <= truth <= share.high for share in shares)
    assert 0.91 <= inside / trials <= 0.99


def test_a_detectable_difference_is_detected_as_often_as_said():
    """At such a difference the interval excludes 0 in 80 of 100 studies."""
    rng = np.random.default_rng(5)
    base = np.full((1, 1, 150), 0.5)
    seen = float(detectable(simultaneous(rng.normal(0, 0.2, size=(1, 1, 150))), base)[0])
    studies = [simultaneous(rng.normal(seen, 0.2, size=(1, 1, 150))).intervals[0] for _ in range(300)]
    assert np.mean([study.low > 0 for study in studies]) == pytest.approx(POWER, abs=0.08)


@pytest.mark.parametrize("solved", [0.3, 1.0])
def test_lost_problems_are_detected_as_often_as_said(solved: float):
    """A study in which nothing has moved says little of how one with losses would vary: so many lost problems, and
    nothing else, are found in 80 of 100."""
    rng, problems = np.random.default_rng(6), 400
    base_P = (np.arange(problems) < solved * problems).astype(float)
    (seen,) = detectable(simultaneous(np.zeros((1, 1, problems))), base_P[None, None])
    found = []
    for _ in range(200):
        lost_P = base_P * (rng.random(problems) < seen / solved)
        found.append(simultaneous(-lost_P[None, None]).intervals[0].high < 0)
    assert POWER - 0.08 <= np.mean(found) <= POWER + 0.15


def test_problems_for_the_wanted_difference():
    """Four times the problems see half of it."""
    for problems, seen in product((30, 500), (WANTED, 2 * WANTED)):
        assert problems_for(problems, seen) == pytest.approx(problems * (seen / WANTED) ** 2, abs=1)
