"""Countdown problems, their demonstrations and the walk over them."""

import numpy as np
import pytest

from rlvr.data import Countdown, ProblemCursor
from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import CountdownVerifier
from rlvr.verify.countdown import value_of

DIGITS = {"numbers": 5, "target_min": 10, "target_max": 99}
TASK = Countdown(**DIGITS, train_size=64, heldout_size=32, seed=0)


def test_demonstrations_are_right_by_python_and_by_the_verifier():
    """2,000 random answers: Python's own arithmetic agrees with the target, and the verifier says right."""
    pairs = TASK.demonstrations(np.random.default_rng(0), 2000)
    for prompt, answer in pairs:
        assert eval(answer) == int(prompt.rstrip(":").split("=")[1]) == value_of(answer)
    problems = [Problem(p, p, (), p.rstrip(":")) for p, _ in pairs]
    verdicts = CountdownVerifier().grade([(p, a) for p, (_, a) in zip(problems, pairs, strict=True)])
    assert {verdict.status for verdict in verdicts} == {"right"}


@pytest.mark.parametrize(
    "text",
    ["", "1+2", "9*9-1-1-1", "1*2+3*4+6", "1*2+3*4+55", "__import__('os')", "1+2+3+4+5 ", "1**2+3*45", "9" * 10**6],
)
def test_wrong_answers(text: str):
    """Too short, other digits, off by one, not an expression, too long: wrong, and never run."""
    problem = Problem("", "", (), "12345=19")
    assert CountdownVerifier().grade([(problem, text)])[0].status == "wrong"
    assert CountdownVerifier().grade([(problem, "1*2+3*4+5")])[0].status == "right"


def test_splits_are_stable_distinct_and_apart():
    """The same seed gives the same problems; no two share digits and target."""
    tokenizer = TASK.tokenizer()
    splits = TASK.splits(tokenizer)
    assert splits == TASK.splits(tokenizer)
    keys = ["".join(sorted(p.id.split("=")[0])) + p.id.split("=")[1] for p in splits.train + splits.heldout]
    assert len(set(keys)) == 96
    assert tokenizer.decode(splits.train[0].prompt_ids) == splits.train[0].prompt


def test_guess_rate_against_brute_force():
    """Two digits 3 and 4, target 12: of 2 orders x 3 operators, 3*4 and 4*3 hit, so 1/3."""
    task = Countdown(2, 10, 99, train_size=1, heldout_size=1, seed=0)
    assert task.guess_rate(Problem("", "", (), "34=12")) == pytest.approx(1 / 3)


def test_cursor_draws_all_before_any_twice_and_resumes():
    """A pass has every problem once; a saved position goes on with the same problems."""
    problems = TASK.splits(TASK.tokenizer()).train
    cursor = ProblemCursor(problems, seed=1)
    first = [p.id for _ in range(4) for p in cursor.draw(16)]
    assert len(set(first)) == 64
    assert [p.id for p in ProblemCursor(problems, seed=2).draw(16)] != first[:16]
    cursor.draw(5)
    state = cursor.state_dict()
    following = cursor.draw(20)
    resumed = ProblemCursor(problems, seed=1)
    resumed.load_state_dict(state)
    assert resumed.draw(20) == following


def test_cursor_excludes_and_puts_back():
    """Excluded problems keep their turn, put-back ones come next, and an exhausted pool gives what it has."""
    problems = TASK.splits(TASK.tokenizer()).train
    cursor = ProblemCursor(problems, seed=0)
    drawn = cursor.draw(10)
    cursor.put_back(drawn[5:])
    assert cursor.draw(5) == drawn[5:]
    everything = {p.id for p in problems}
    assert len(cursor.draw(100, exclude=everything - {drawn[0].id})) == 1
    assert cursor.draw(3, exclude=everything) == []


def test_targets_stay_in_their_range():
    """Of the hard testbed: six digits, a target of three; its guess rate is far lower."""
    hard = Countdown(6, 100, 999, train_size=100, heldout_size=100, seed=0)
    heldout = hard.splits(hard.tokenizer()).heldout
    assert all(100 <= int(problem.answer.split("=")[1]) <= 999 for problem in heldout)
    blind = np.mean([1 - (1 - hard.guess_rate(problem)) ** 256 for problem in heldout])
    assert 0.3 < blind < 0.45


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (Countdown(2, 10, 99, 500, 1, 0), r"data\.numbers=2: .* draws gave 57 different problems with targets of 10"),
        (Countdown(2, 100, 999, 1, 1, 0), r"data\.target_min=100, data\.target_max=999: 2 digits reach no such target"),
    ],
)
def test_more_problems_than_there_are(task: Countdown, sentence: str):
    """Said before a policy is loaded; two digits make 57 problems, counted over all sums and products."""
    with pytest.raises(ConfigError, match=sentence):
        task.prepare()
