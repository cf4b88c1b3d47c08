"""Sampling and grading: all at once, or as completions come."""

import threading

import pytest
from step_fakes import SAMPLING, FakeEngine, FakeVerifier, pool

from rlvr.rollout.engine import EngineError, StaleEngineError
from rlvr.speed.flops import Passed
from rlvr.step import sample_groups, sampling
from rlvr.step.sampling import Grader, stream_groups
from rlvr.timing import Stopwatch
from rlvr.types import Group

PATIENCE_S = 10.0


class Broken(FakeVerifier):
    """Fails where a text says so."""

    def grade(self, items):
        if any(problem.answer == "broken 0" for problem, _ in items):
            raise RuntimeError("the verifier broke")
        return super().grade(items)


class FailsAfter(FakeEngine):
    """Gives two problems' completions, then fails."""

    def generate(self, problems, n, sampling, version, seed, on_finished=None, skip=()):
        super().generate(problems[:2], n, sampling, version, seed, on_finished, skip)
        raise EngineError("the engine broke")


def stream(engine, verifier, problems, on_graded, skip=()) -> None:
    with Grader(verifier, 5, on_graded) as grader:
        stream_groups(engine, grader, problems, 3, SAMPLING, seed=1, skip=skip)


def streamed(engine, verifier, problems, skip=()) -> dict[int, Group]:
    """What was handed on, by its problem's index, with the error at -1."""
    got: dict[int, Group] = {}

    def take(groups) -> None:
        got.update({problems.index(group.problem): group for _, group in groups})

    try:
        stream(engine, verifier, problems, take, skip)
    except RuntimeError as error:
        return got | {-1: error}
    return got


def test_groups_come_in_order_with_their_version():
    """One call of the engine, one of the verifier; both timed; told of as they come."""
    told: list[int] = []
    clock, problems = Stopwatch(), pool(4, "right 1|wrong 0.5 bare")
    engine = FakeEngine(held=5)
    groups = sample_groups(engine, FakeVerifier(), problems, 3, SAMPLING, 5, 1, clock, "probe", told.append)
    assert [group.problem for group in groups] == problems
    assert {group.version for group in groups} == {5}
    assert [verdict.reward for verdict in groups[0].verdicts] == [1, 0.5, 1]
    assert [verdict.formatted for verdict in groups[0].verdicts] == [True, False, True]
    assert groups[0].successes == 2
    assert told == [3] * 4
    assert set(clock.take()) == {"probe", "verify"}
    lengths = [[len(one.token_ids) for one in group.completions] for group in groups]
    read = [Passed.of(len(group.problem.prompt_ids), some) for group, some in zip(groups, lengths, strict=True)]
    assert clock.take_passed() == {"probe": sum(read, Passed())}
    assert clock.take_passed() == {}
    assert sample_groups(engine, FakeVerifier(), [], 3, SAMPLING, 5, 1) == []


def test_a_stale_engine_is_refused():
    """Synced to 4, asked for 5, at once or streamed."""
    with pytest.raises(StaleEngineError, match="holds policy version 4, not 5"):
        sample_groups(FakeEngine(held=4), FakeVerifier(), pool(2), 3, SAMPLING, 5, 1)
    with pytest.raises(StaleEngineError, match="holds policy version 4, not 5"):
        stream(FakeEngine(held=4), FakeVerifier(), pool(2), print)


def test_streamed_groups_are_those_sampled_at_once():
    """By index, those skipped left out."""
    problems = pool(6)
    whole = sample_groups(FakeEngine(held=5), FakeVerifier(), problems, 3, SAMPLING, 5, seed=1)
    assert streamed(FakeEngine(held=5), FakeVerifier(), problems, skip={1, 4}) == {i: whole[i] for i in (0, 2, 3, 5)}
    assert streamed(FakeEngine(held=5), FakeVerifier(), []) == {}


def test_grading_goes_on_beside_the_sampling(monkeypatch: pytest.MonkeyPatch):
    """An engine that samples its last problem only once the first is graded."""
    monkeypatch.setattr(sampling, "GRADED_TOGETHER", 3)
    graded = threading.Event()

    class Waits(FakeEngine):
        def _one(self, problem, *rest):
            assert problem.id != "2" or graded.wait(PATIENCE_S)
            return super()._one(problem, *rest)

    sizes = []

    def take(groups) -> None:
        sizes.append(len(groups))
        graded.set()

    stream(Waits(held=5), FakeVerifier(), pool(3), take)
    assert sizes == [1, 1, 1]


def test_batches_grow_with_what_was_graded(monkeypatch: pytest.MonkeyPatch):
    """From one on, as many as the batches before have had together; so a hundred problems are eight batches."""
    monkeypatch.setattr(sampling, "GRADED_TOGETHER", 1)
    monkeypatch.setattr(sampling, "GROWTH", 1.0)
    sizes: list[int] = []
    stream(FakeEngine(held=5), FakeVerifier(), pool(100), lambda groups: sizes.append(len(groups)))
    assert sizes == [1, 1, 2, 4, 8, 16, 32, 36]


def test_what_waits_too_long_is_graded(monkeypatch: pytest.MonkeyPatch):
    """No time at all may pass: every problem for itself."""
    monkeypatch.setattr(sampling, "WAIT_S", -1.0)
    sizes = []
    stream(FakeEngine(held=5), FakeVerifier(), pool(3), lambda groups: sizes.append(len(groups)))
    assert sizes == [1, 1, 1]


def test_what_was_sampled_before_an_error_is_handed_on():
    """It was paid for."""
    got = streamed(FailsAfter(held=5), FakeVerifier(), pool(4))
    assert isinstance(got.pop(-1), EngineError)
    assert sorted(got) == [0, 1]


@pytest.mark.parametrize("together", [1, 256])
@pytest.mark.parametrize("broken", [0, 2])
def test_an_error_of_the_verifier_comes_up(monkeypatch: pytest.MonkeyPatch, together: int, broken: int):
    """During the sampling or at its end, and nothing is handed on after the call."""
    monkeypatch.setattr(sampling, "GRADED_TOGETHER", together)
    problems = pool(3)
    problems[broken] = pool(3, "broken 0")[broken]
    threads = threading.active_count()
    got = streamed(FakeEngine(held=5), Broken(), problems)
    assert threading.active_count() == threads
    assert str(got.pop(-1)) == "the verifier broke"
    assert broken not in got
    with pytest.raises(RuntimeError, match="the verifier broke"):
        sample_groups(FakeEngine(held=5), Broken(), problems, 3, SAMPLING, 5, 1)


def test_what_comes_after_a_failed_grading_is_graded(monkeypatch: pytest.MonkeyPatch):
    """The third problem is sampled once the first two could not be graded; the error comes up when it is done."""
    monkeypatch.setattr(sampling, "GRADED_TOGETHER", 4)
    failed = threading.Event()

    class Tells(Broken):
        def grade(self, items):
            try:
                return super().grade(items)
            finally:
                failed.set()

    class Waits(FakeEngine):
        def _one(self, problem, *rest):
            assert problem.id != "2" or failed.wait(PATIENCE_S)
            return super()._one(problem, *rest)

    got = streamed(Waits(held=5), Tells(), [*pool(2, "broken 0"), pool(3)[2]])
    assert str(got.pop(-1)) == "the verifier broke"
    assert list(got) == [2]


def test_an_error_of_the_listener_comes_up():
    """As the verifier's."""

    def refuse(groups) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        stream(FakeEngine(held=5), FakeVerifier(), pool(3), refuse)
