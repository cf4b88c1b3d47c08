"""The frontier study: which runs it wants, what it reads off paths, how its predictions are decided."""

from dataclasses import replace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from rlvr.eval import Evaluation, RunRecord, SplitRecord
from rlvr.eval.bands import Band
from studies.frontier import interference, kinds, plan, record
from studies.frontier.curve import LEVELS, area, reach
from studies.frontier.decisions import DECISIONS
from studies.frontier.frontier import Comparison, Share, Way, shares_differ
from studies.frontier.page import WORDS
from studies.frontier.plan import Tried, choose, widened
from studies.frontier.setting import CHOOSING, COUNTDOWN, METHODS, QUEENS, ROOT, STUDIES, Run


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


def an_evaluation(correct: list[int]) -> Evaluation:
    return Evaluation(256, tuple(f"p{place}" for place in range(len(correct))), tuple(correct), 12.0, 0.0, 0.7)


def a_record(run: Run, gain: int) -> RunRecord:
    """Four problems, two of them on the path, which gain so many right answers an evaluation."""
    path = {50 * step: an_evaluation([5 + gain * step, 9 - step]) for step in range(9)}
    whole = SplitRecord(an_evaluation([5, 9, 0, 1]), an_evaluation([30, 1, 0, 0]), [0.001] * 4, path)
    return RunRecord(METHODS[run.method].label, run.seed, {"heldout": whole, "train": whole}, {50: 6000.0, 51: 6100.0})


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Records in a folder of the test's own."""
    monkeypatch.setattr(record, "RECORDS", tmp_path / "records")
    return tmp_path


def finished_run(folder, run: Run, gain: int, drift: float = 0.0) -> None:
    """What a training leaves that is kept of it."""
    import json

    folder.mkdir(parents=True)
    a_record(run, gain).write(folder)
    start = {"commit": "abc", "versions": {"torch": "2"}, "device": "a CPU", "command": []}
    (folder / "setting.json").write_text(json.dumps([start]))
    rows = "".join(f"{step},1e-4,{0.7 - 0.001 * step}\n" for step in range(1, 101))
    # Of 100 updates, inside problems gain 2e-4 nats and others lose 1e-4; these have drifted further with every update.
    beside = "".join(f"{step},,,2e-4,-1e-4,{-drift * step}\n" for step in range(1, 101)) if drift else ""
    header = "step,train/lr,rollout/entropy,interference/inside,interference/1,interference/drift_1\n"
    (folder / "metrics.csv").write_text(header + rows.replace("\n", ",,,\n") + beside)


def test_what_is_kept_comes_back(records):
    """Counts to the digit, under the study's label, small, and as a folder of the report."""
    run = Run("grpo_kl", 1e-4, 0)
    finished_run(records / "run", run, 2)
    record.keep(run, records / "run")
    back = record.read(run)
    assert back.label == "GRPO + KL"
    assert back.splits["heldout"] == a_record(run, 2).splits["heldout"]
    assert back.generated == {50: 6000}
    assert record.curves(run)["rollout/entropy"] == pytest.approx([0.6745, 0.6245])
    assert record.kept(COUNTDOWN) == [run]
    assert record.kept(QUEENS) == []
    (folder,) = record.restore([run], records / "again")
    assert RunRecord.read(folder).splits["heldout"] == back.splits["heldout"]


def test_other_problems_are_not_taken_for_the_same(records):
    """All records share one list of problems."""
    run = Run("grpo", 1e-4, 0)
    finished_run(records / "run", run, 2)
    record.keep(run, records / "run")
    problems = records / "records" / run.task / record.PROBLEMS
    problems.write_text('{"names":["q0","q1","q2","q3"],"guess_rate":[0,0,0,0]}')
    with pytest.raises(AssertionError, match="other problems"):
        record.keep(run, records / "run")


def test_the_plan_goes_from_the_grid_to_seeds(records):
    """First every rate with one seed; then, where the best is at an end, further ones; then seeds of the best."""
    done: list[Run] = []
    first = plan.wanted(COUNTDOWN, done)
    assert [run.rate for run in first[: len(METHODS)]] == [COUNTDOWN.rates[0]] * len(METHODS)
    assert {run.seed for run in first} == {CHOOSING}
    study = replace(COUNTDOWN, methods=("grpo",))
    for place, gain in enumerate([8, 4, 4, 2]):  # the best is 1e-4, inside the grid
        run = Run("grpo", study.rates[place], CHOOSING)
        finished_run(records / run.name, run, gain)
        record.keep(run, records / run.name)
        done.append(run)
    seeds = plan.wanted(study, done)
    assert {run.rate for run in seeds} == {1e-4}
    assert [run.seed for run in seeds] == list(study.fresh)
    assert plan.wanted(study, [*done, *seeds]) == []


def test_ways_by_hand():
    """Two digits make six expressions; three of one kind are six orders less the repeated ones."""
    assert kinds.ways("12") == {3: (2, 0.0), -1: (1, 0.0), 2: (2, 1.0), 1: (1, 0.0)}
    assert kinds.ways("11") == {2: (1, 0.0), 0: (1, 0.0), 1: (1, 1.0)}


def test_kinds_of_problems(records):
    """Lost problems are those of the feature that tells them apart; equal values stay in one part."""
    run = Run("grpo", 1e-4, 0)
    finished_run(records / "run", run, 2)
    record.keep(run, records / "run")
    known = {"solved now": np.array([1.0, 1.0, 0.0, 0.0]), "the same": np.ones(4)}
    grid = kinds.table({"grpo": [run]}, lambda names: known)
    assert grid.header == ["", "learning rate", "solved now <= 0 (2)", "solved now to 1 (2)", "the same <= 1 (4)"]
    assert grid.rows[0][:3] == ["GRPO", "0.0001", "-50.0"]  # one of the two unsolved ones was solved before
    assert kinds.shared_digits("112233=100", ["111111=100", "123456=100"]) == 3


def test_interference_is_kept_and_shown(records):
    """Means over parts of the run; two seeds with their standard error, and a method without it is left out."""
    for seed, drift in ((2, 0.01), (3, 0.03)):
        run = Run("grpo", 1e-4, seed)
        finished_run(records / run.name, run, 2, drift)
        record.keep(run, records / run.name)
    without = Run("self", 1e-4, 0)
    finished_run(records / without.name, without, 2)
    record.keep(without, records / without.name)
    kept = record.interference(Run("grpo", 1e-4, 2))
    assert kept["interference/1"] == pytest.approx([-1e-4] * 2)
    assert kept["interference/drift_1"] == pytest.approx([-0.255, -0.755])  # means over updates 1 to 50, 51 to 100
    grid = interference.table({"grpo": [Run("grpo", 1e-4, 2), Run("grpo", 1e-4, 3)], "self": [without]})
    assert grid.header[2:] == ["an update, inside", "outside, base 6 to 25 %", "drift in all, base 6 to 25 %"]
    assert grid.rows == [["GRPO", "0.0001", "+2.00 +- 0.00", "-1.00 +- 0.00", "-1.51 +- 0.76"]]


@pytest.mark.parametrize("task", STUDIES)
def test_runs_compose(task: str):
    """Those of the choosing seed, and those of which interference is measured."""
    for run in (*plan.wanted(STUDIES[task], [])[:2], Run("self_kl", 1e-4, 2, task)):
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            cfg = compose("train", run.overrides)
        assert cfg.optimizer.lr == run.rate
        assert ("interference" in cfg.callbacks) == (run.seed >= 2)
        assert "collapse" not in cfg.callbacks
    assert set(STUDIES) == set(DECISIONS) == set(WORDS) == set(kinds.FEATURES)


def test_kinds_of_boards():
    """Six queens have four arrangements, each with one of these."""
    found = kinds.of_queens(["......", "1.....", "0....."])["right arrangements"]
    np.testing.assert_array_equal(found, [4, 1, 0])
