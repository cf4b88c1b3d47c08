"""The frontier study's records: what is kept of a run, which runs are wanted next, and tables over records."""

from dataclasses import replace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from rlvr.eval import Evaluation, RunRecord, SplitRecord
from studies.frontier import decisions, endings, interference, kinds, plan, record
from studies.frontier.decisions import DECISIONS
from studies.frontier.page import WORDS
from studies.frontier.setting import CHOOSING, COUNTDOWN, METHODS, QUEENS, ROOT, STUDIES, Run


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
    study = replace(COUNTDOWN, methods=("grpo",), later=(("grpo", 5e-5),))
    for place, gain in enumerate([8, 4, 4, 2]):  # the best is 1e-4, inside the grid
        run = Run("grpo", study.rates[place], CHOOSING)
        finished_run(records / run.name, run, gain)
        record.keep(run, records / run.name)
        done.append(run)
    seeds = plan.wanted(study, done)
    assert {run.rate for run in seeds} == {1e-4}
    assert [run.seed for run in seeds] == list(study.fresh)
    last = plan.wanted(study, [*done, *seeds])
    assert [(run.rate, run.seed) for run in last] == [(5e-5, seed) for seed in study.fresh]
    assert plan.wanted(study, [*done, *seeds, *last]) == []


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


def test_endings_by_hand(records):
    """Two seeds of one learning rate: 30, 1, 0 and 0 right of 256 where the base had 5, 9, 0 and 1."""
    runs = [Run("grpo", 1e-4, seed) for seed in (1, 2)]
    for run in runs:
        finished_run(records / run.name, run, 2)
        record.keep(run, records / run.name)
    ending = endings.Ending.of(runs)
    grid = endings.table({"grpo": [ending]})
    guess, base, grpo = grid.rows
    assert guess[3:5] == ["0.1", "0.4"]  # a rate of 0.001
    assert base[:4] == ["base", "", "", f"{100 * 15 / 256 / 4:.1f}"]
    assert grpo[:3] == ["GRPO", "0.0001", "2"]
    assert grpo[3].startswith("+1.6")  # 31 instead of 15 right of 4 x 256
    assert grpo[7].startswith("-25.0")  # two instead of three of four solved
    one, many = endings.one_and_many(ending.intervals)
    assert (one.mean, many.mean) == (pytest.approx(16 / 1024), pytest.approx(-0.25))


@pytest.mark.parametrize(("held_back", "told"), [("slow", "supported"), ("above", "refuted")])
def test_what_was_asked_later(records, held_back: str, told: str):
    """Above at the end in both, for every problem of twenty; or the same, which is not above."""
    study = replace(COUNTDOWN, fresh=(1, 2))
    assert decisions.at_the_end(study, [], "P6", ("self_kl", 5e-5), ("grpo", 2.5e-5))[-1] == "not run yet"
    done = []
    for method, rate, correct in (("grpo", 2.5e-5, 0), ("self_kl", 5e-5, 0 if held_back == "slow" else 100)):
        for seed in study.fresh:
            run = Run(method, rate, seed)
            whole = SplitRecord(an_evaluation([5] * 20), an_evaluation([correct] * 20), [0.001] * 20, {})
            finished_run(records / run.name, run, 2)
            RunRecord("x", seed, {"heldout": whole, "train": whole}, {}).write(records / run.name)
            record.keep(run, records / run.name)
            done.append(run)
    row = decisions.at_the_end(study, done, "P6", ("self_kl", 5e-5), ("grpo", 2.5e-5))
    assert row[:3] == ["P6", "SELF + KL at 5e-05 - GRPO at 2.5e-05, last step", "not both > 0"]
    assert row[-1] == told
    assert row[3].startswith("k=1: +0.0 [" if held_back == "slow" else "k=1: +39.1* [")


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
