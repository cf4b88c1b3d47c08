"""Answers of the base: what is stored, how it is read, and what a step makes of it."""

from pathlib import Path

import pytest
import torch
from step_fakes import FakeEngine, collector, on_ranks, pool

from rlvr.algo import SELF
from rlvr.errors import RunError
from rlvr.ranks import Ranks
from rlvr.step.stored import StoredAnswers, replayed, right_answers, table_of_answers, write_answers
from rlvr.types import Completion, Group, Problem, Verdict

PROBLEMS = [Problem(str(index), "", (7, 8), "") for index in range(6)]


Answer = tuple[str, tuple[int, ...]]


def answer(problem: Problem, *token_ids: int) -> Answer:
    return problem.id, token_ids


def stored(folder: Path, answers: list[Answer], logps: list[torch.Tensor] | None = None) -> StoredAnswers:
    half = len(answers) // 2
    for index, part in enumerate((slice(0, half), slice(half, None))):
        names, tokens = [name for name, _ in answers[part]], [ids for _, ids in answers[part]]
        write_answers(folder / f"{index:05}.arrow", table_of_answers(names, tokens, logps and logps[part]))
    return StoredAnswers(folder)


def test_right_answers_of_a_group():
    """Once each, in the order sampled."""
    texts = [(1, 2), (3,), (1, 2), (4,)]
    completions = tuple(Completion(ids, (0.0,) * len(ids), "", "stop") for ids in texts)
    verdicts = tuple(Verdict(status, 1.0) for status in ("right", "wrong", "right", "right"))
    group = Group(PROBLEMS[0], completions, verdicts, 0)
    assert right_answers(group) == [(1, 2), (4,)]


def test_written_and_read(tmp_path: Path):
    """Over several files, with and without the base's log-probabilities."""
    answers = [answer(PROBLEMS[0], 1, 2), answer(PROBLEMS[2], 3), answer(PROBLEMS[0], 4, 5, 6)]
    logps = [torch.tensor([-0.1, -0.2]), torch.tensor([-3.0]), torch.tensor([-4.0, -5.0, -6.0])]
    known = stored(tmp_path / "with", answers, logps)
    assert len(known) == 3
    assert ["0" in known, "1" in known, "2" in known] == [True, False, True]
    assert known.of(PROBLEMS[1]) == []
    found = known.of(PROBLEMS[0])
    assert [sample.completion.token_ids for sample in found] == [(1, 2), (4, 5, 6)]
    assert [sample.problem for sample in found] == [PROBLEMS[0]] * 2
    torch.testing.assert_close(found[1].reference_logp_T, logps[2])
    assert stored(tmp_path / "without", answers).of(PROBLEMS[2])[0].reference_logp_T is None


def test_nothing_was_right(tmp_path: Path):
    known = stored(tmp_path, [])
    assert len(known) == 0
    assert replayed(PROBLEMS, known, 2, Ranks(0, 1)) == [[], []]


def test_answers_that_are_gone_or_torn(tmp_path: Path):
    with pytest.raises(RunError, match="are gone"):
        StoredAnswers(tmp_path)
    (tmp_path / "00000.arrow").write_bytes(b"no arrow")
    with pytest.raises(RunError, match="can't be read"):
        StoredAnswers(tmp_path)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_step_weighs_every_stored_token_alike(tmp_path: Path, ranks: int):
    """Over two optimizer steps; a problem without answers is in none; each answer is on one rank."""
    lengths = {"0": [2, 3], "2": [1], "3": [4], "5": [1, 1, 1]}
    known = stored(tmp_path, [answer(PROBLEMS[int(name)], *range(n)) for name, some in lengths.items() for n in some])
    parts = on_ranks(ranks, lambda mine: replayed(PROBLEMS, known, 2, mine))
    for step, names in enumerate((("0", "2"), ("3", "5"))):
        samples = [sample for part in parts for sample in part[step]]
        wanted = [(name, n) for name in names for n in lengths[name]]
        assert sorted((s.problem_id, s.completion_tokens) for s in samples) == wanted
        assert sum(s.completion_tokens * s.weight for s in samples) == pytest.approx(1)
        assert len({s.weight for s in samples}) == 1
        assert {(s.advantage, s.auxiliary_weight, s.stored) for s in samples} == {(0.0, 0.0, True)}


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_what_was_drawn_and_not_sampled(ranks: int):
    """Problems that the filter drops before sampling and those that stored answers stand for, the same on all ranks."""
    problems = [*pool(4, prompt="easy"), *[Problem(f"h{i}", "", (1, 2), "rate 0.5") for i in range(8)]]

    def collect(mine: Ranks) -> tuple:
        step = collector(problems, SELF("self", refill=True, max_rounds=4), per_step=6, ranks=mine)
        step.claimed = {"h0", "h1"}
        batch = step.collect(0)
        sampled = {name for names, n, *_ in step.engine.calls for name in names if n > 1}
        asked = {name for names, n, *_ in step.engine.calls for name in names if n == 1}
        return tuple(problem.id for problem in batch.skipped), batch.selected, sampled, asked

    found = on_ranks(ranks, collect)
    (skipped,) = {names for names, *_ in found}
    assert set(skipped) == {"0", "1", "2", "3", "h0", "h1"}
    assert len(set(skipped)) == len(skipped)
    assert {count for _, count, *_ in found} == {6}
    for which in (2, 3):  # neither sampled nor decoded greedily
        assert not {"h0", "h1"} & set().union(*(part[which] for part in found))


def test_a_pool_of_which_nothing_is_left_to_sample():
    """Every problem is claimed: no group, and all of what was drawn is there to learn from."""
    step = collector(pool(8), per_step=4, engine=FakeEngine())
    step.claimed = {str(index) for index in range(8)}
    batch = step.collect(0)
    assert (batch.selected, len(batch.skipped)) == (0, 4)
