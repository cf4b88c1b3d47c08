"""The frontier study: what it reads off paths, how it chooses learning rates, how its predictions are decided."""

import numpy as np
import pytest

from rlvr.eval import Evaluation
from rlvr.eval.bands import Band
from studies.frontier.curve import LEVELS, area, reach
from studies.frontier.endings import KS, Ending
from studies.frontier.figure import answer_figure, frontier_figure
from studies.frontier.frontier import Comparison, Frontier, Share, shares_differ
from studies.frontier.joint import behind
from studies.frontier.plan import Tried, choose, widened
from studies.frontier.setting import METHODS
from studies.frontier.way import Way, minus_log_coverage


def test_a_level_is_read_off_where_it_is_first_reached():
    """Halfway between two evaluations, by hand; a way that turns back is read before it turns."""
    one_T, many_T = np.array([0.02, 0.04, 0.03, 0.06]), np.array([0.9, 0.8, 0.7, 0.4])
    found = reach(one_T, many_T, np.array([0.02, 0.03, 0.05, 0.07]))
    np.testing.assert_allclose(found[:3], [0.9, 0.85, 0.5])
    assert np.isnan(found[3])


def test_area_by_hand():
    """A way that keeps 0.5 from the base's 2 % up to 5 %, guessing at 0.3: three points x twenty points."""
    kept = np.where(LEVELS <= 0.05 + 1e-9, 0.5, np.nan)
    assert area([kept], base=0.02, guess=0.3) == pytest.approx(3 * 20)
    assert area([np.full_like(LEVELS, np.nan)], base=0.02, guess=0.3) == 0


def a_rate(reached: float, kept: float) -> Tried:
    """A learning rate whose way keeps so much until so much of Pass@1."""
    return Tried(np.where(reached + 1e-9 >= LEVELS, kept, np.nan), base=0.02, guess=0.3)


def test_rates_are_chosen_together():
    """The second is the one that adds, not the second best; one that adds nothing is left out."""
    rates = {1e-4: a_rate(0.06, 0.6), 2e-4: a_rate(0.058, 0.6), 5e-5: a_rate(0.03, 0.9)}
    assert choose(rates, 2) == [1e-4, 5e-5]
    assert choose(rates, 1) == [1e-4]
    assert choose({1e-4: a_rate(0.06, 0.6), 5e-5: a_rate(0.05, 0.6)}, 2) == [1e-4]
    assert choose({1e-4: a_rate(0.01, 0.6), 5e-5: a_rate(0.01, 0.6)}, 2) == [5e-5]  # nothing gained: what loses least


def test_a_grid_is_widened_at_its_ends_alone():
    """Where the best is the lowest or the highest; nothing gained: downwards, and not without end."""
    inside = {5e-5: a_rate(0.03, 0.6), 1e-4: a_rate(0.06, 0.6), 2e-4: a_rate(0.04, 0.6)}
    assert widened(inside) == []
    assert widened({**inside, 2e-4: a_rate(0.09, 0.6)}) == [4e-4]
    assert widened({rate: a_rate(0.01, 0.5) for rate in (5e-5, 1e-4)}) == [2.5e-5]
    assert widened({rate: a_rate(0.01, 0.5) for rate in (6.25e-6, 1e-4)}) == []


def test_the_slope_of_a_way_by_hand():
    """Pass@256 falls by 0.1 for each point of Pass@1: a problem with more of it there counts for less there."""
    one_TP = np.array([[0.02, 0.02], [0.03, 0.05]])
    many_TP = np.array([[1.0, 0.8], [0.8, 0.6]])
    found = Way(one_TP, many_TP).many_at(0.03)
    assert found is not None
    assert found.mean() == pytest.approx(0.8)  # halfway: Pass@1 3 %, Pass@256 0.9 and 0.7
    np.testing.assert_allclose(found, [0.9 + 10 * (0.025 - 0.03), 0.7 + 10 * (0.035 - 0.03)])


def test_since_the_base_by_hand():
    """Both axes begin at 0 for every problem, so that what bases differ by is gone."""
    way = Way(np.array([[0.02, 0.04], [0.03, 0.05]]), np.array([[1.0, 0.8], [0.8, 0.7]])).since_base()
    np.testing.assert_allclose(way.one_T, [0.0, 0.01])
    np.testing.assert_allclose(way.many_TP, [[0.0, 0.0], [-0.2, -0.1]])


def test_all_methods_fit_into_the_figures(tmp_path):
    """Thirteen that gain: as many names in one figure, twelve panels beside GRPO in the other."""
    one_TP = np.array([[0.0, 0.0], [0.01, 0.02]])
    ways = {1e-4: [Way(one_TP, -10 * one_TP), Way(1.1 * one_TP, -9 * one_TP)]}
    first = {1e-4: np.where(LEVELS <= 0.012, -0.1, np.nan)}
    found = {method: Frontier(method, first, ways, 0.0) for method in METHODS}
    assert found["grpo"].levels[0] == 0.003
    changes = np.random.default_rng(0).normal(size=(len(KS) + 1, 2, 20)) / 100
    ends = {method: [Ending([], changes, changes)] * 2 for method in METHODS}
    answer_figure(found, ends, tmp_path / "answer.png")
    frontier_figure(found, tmp_path / "since.png", since=True)
    assert {path.name for path in tmp_path.iterdir()} >= {"answer.png", "since.png"}


def test_log_coverage_by_hand():
    """0, 1 and all of 256 right: the whole harmonic sum is missing, its first term less, and nothing."""
    harmonic = sum(1 / k for k in range(1, 257))
    found = minus_log_coverage(Evaluation(256, ("a", "b", "c"), (0, 1, 256), 1.0, 0.0, 0.0))
    np.testing.assert_allclose(found, [-harmonic, 1 - harmonic, 0.0], atol=1e-12)


def test_the_joint_frontier_names_what_is_surely_below():
    """B is below A in every problem and seed; C is like A, and does not reach the second level."""
    rng = np.random.default_rng(0)
    of_a = 0.8 + 0.1 * rng.normal(size=(5, 200))
    values = {
        "A": {0.003: of_a, 0.006: of_a - 0.1},
        "B": {0.003: of_a - 0.2 + 0.05 * rng.normal(size=(5, 200)), 0.006: of_a - 0.1},
        "C": {0.003: of_a + 0.05 * rng.normal(size=(5, 200))},
    }
    assert behind(values) == {0.003: {"A": [], "B": ["A", "C"], "C": []}, 0.006: {"A": [], "B": []}}
    assert behind({"A": {}}) == {}


def a_comparison(signs: list[int]) -> Comparison:
    """Levels above (1), below (-1) or not surely either."""
    band = Band(np.array([0.1 * sign for sign in signs]), np.full(len(signs), 0.02), 2.0)
    return Comparison([0.03] * len(signs), band)


@pytest.mark.parametrize(
    ("signs", "above", "same"),
    [
        ([1, 1, 0], "supported", "refuted"),
        ([-1, -1, 0], "refuted", "refuted"),
        ([1, 0], "undecided", "refuted"),  # no more than half of them
        ([1, 1, 1, -1], "undecided", "refuted"),
        ([0, 0], "undecided", "supported"),
    ],
)
def test_decisions(signs: list[int], above: str, same: str):
    """As predictions.md says it."""
    comparison = a_comparison(signs)
    assert comparison.decision(1) == above
    assert comparison.same() == same
    opposite = {"supported": "refuted", "refuted": "supported"}
    assert comparison.decision(-1) == opposite.get(above, above)


def test_what_would_decide():
    """A band that is twice as wide as the difference: four times the data. None where no level counts."""
    band = Band(np.array([0.1, 0.01]), np.array([0.02, 0.01]), 2.0)
    assert Comparison([0.03, 0.04], band).data_needed == pytest.approx(4)
    assert Comparison([], None).data_needed is None


def test_what_is_too_wide_or_missing_is_undecided():
    """Equality wants a band that could have shown a difference."""
    assert a_comparison([0, 0]).same(width=0.01) == "undecided"
    assert Comparison([], None).same() == Comparison([], None).decision(1) == "undecided"


def test_hard_problems_share_by_hand():
    """Two of four problems are hard, and bring a quarter of the gain; against all of it from hard ones."""
    hard_SP = np.array([[True, True, False, False]] * 2)
    quarter = Share(np.array([[0.01, 0.0, 0.02, 0.01]] * 2), hard_SP)
    interval = shares_differ(Share(np.where(hard_SP, 0.02, 0.0), hard_SP), quarter)
    assert interval.mean == pytest.approx(0.75)


def moving(rng: np.random.Generator, problems: int, steps: int, speed: float) -> list[np.ndarray]:
    """True success rates along a way on which rates come apart: good ones rise, poor ones fall."""
    start_P = rng.beta(0.6, 20, size=problems)
    return [start_P * np.exp(0.1 * step * speed * np.tanh(np.log(start_P / 0.01))) for step in range(steps)]


def sampled(rng: np.random.Generator, rate_TP: list[np.ndarray]) -> Way:
    """What an evaluation of 256 samples sees of it."""
    from rlvr.eval.pass_at_k import pass_at_k

    correct_TP = [rng.binomial(256, np.clip(rate_P, 0, 1)) for rate_P in rate_TP]
    ones, many = ([pass_at_k(correct_P, 256, k) for correct_P in correct_TP] for k in (1, 256))
    return Way(np.stack(ones), np.stack(many))


@pytest.mark.full
def test_two_speeds_on_one_way_are_told_apart_as_often_as_the_band_says():
    """Five seeds, 200 problems, one method half as fast as the other on the same way: 60 studies."""
    from rlvr.eval.bands import simultaneous

    rng, wrong, studies = np.random.default_rng(0), 0, 60
    for _ in range(studies):
        pairs = []
        for _ in range(5):
            seed = int(rng.integers(2**31))
            fast, slow = (moving(np.random.default_rng(seed), 200, 9, speed) for speed in (1.0, 0.5))
            pairs.append((sampled(rng, fast), sampled(rng, slow)))
        base = np.mean([way.one_T[0] for pair in pairs for way in pair])
        top = min(way.one_T.max() for pair in pairs for way in pair)
        levels = np.linspace(base + 0.3 * (top - base), 0.97 * top, 5)
        value_LSP = np.stack([[a.many_at(level) - b.many_at(level) for a, b in pairs] for level in levels])
        wrong += any(one.excludes_zero for one in simultaneous(value_LSP).intervals)
    assert wrong <= 7  # 3 are expected; more than 7 come up once in a hundred
