"""Boards of queens: problems, demonstrations, guess rate and verdicts, against reasoning_gym's own task."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest

from rlvr.data import NQueens
from rlvr.data.n_queens import CHARACTERS, COLUMNS, arrangements, completions
from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import NQueensVerifier

TASK = NQueens(queens=8, given=2, train_size=64, heldout_size=32, seed=0)
VERIFIER = NQueensVerifier()


def problem(board: str) -> Problem:
    """Of a board such as `.3....`."""
    return Problem(board, "", (), board)


def text_of(board: list[list[str]]) -> str:
    """A board of reasoning_gym in our notation."""
    return "".join(COLUMNS[row.index("Q")] if "Q" in row else "." for row in board)


@pytest.mark.parametrize(
    ("queens", "count"), [(4, 2), (5, 10), (6, 4), (7, 40), (8, 92), (9, 352), (10, 724), (12, 14_200)]
)
def test_all_arrangements_are_found(queens: int, count: int):
    """As many as are known (OEIS A000170), all different."""
    found = arrangements(queens)
    assert len(found) == len({tuple(row) for row in found.tolist()}) == count


def test_answers_are_those_of_reasoning_gym():
    """Its boards of eight: our completions are its solutions, the verifier says so, and its scorer gives them a 1."""
    package = pytest.importorskip("reasoning_gym", reason="reasoning_gym is in the extra `math`")
    task = package.create_dataset("n_queens", size=20, seed=0, n=8, min_remove=3, max_remove=6)
    for entry in task:
        board = text_of(entry["metadata"]["puzzle"])
        found = {"".join(COLUMNS[column] for column in row) for row in completions(board)}
        assert found == {text_of(solution) for solution in entry["metadata"]["solutions"]}
        assert {VERIFIER.grade([(problem(board), text)])[0].status for text in found} == {"right"}
        for text in found:
            rows = [" ".join("Q" if column == letter else "_" for column in COLUMNS[:8]) for letter in text]
            assert task.score_answer("\n".join(rows), entry) == 1.0


def test_demonstrations_are_right():
    """500 of them: the verifier says so, and each shows two queens."""
    pairs = TASK.demonstrations(np.random.default_rng(0), 500)
    items = [(problem(prompt.rstrip(":")), answer) for prompt, answer in pairs]
    assert {verdict.status for verdict in VERIFIER.grade(items)} == {"right"}
    assert {sum(letter in COLUMNS for letter in prompt) for prompt, _ in pairs} == {2}
    assert {len(answer) + 1 for _, answer in pairs} == {TASK.max_completion_tokens}


@pytest.mark.parametrize(
    "text", ["", "13502", "1350244", "024135", "135020", "531420", "13502x", "13502a", "abcdef", "1 3502", "0a1b2c"]
)
def test_wrong_answers(text: str):
    """Rows missing or too many, a given queen moved, two in a column or on a diagonal, no column of this board."""
    assert VERIFIER.grade([(problem(".3...."), text)])[0].status == "wrong"
    assert VERIFIER.grade([(problem(".3...."), "135024")])[0].status == "right"


def test_every_arrangement_and_nothing_else_is_right():
    """All 720 permutations of six columns on the empty board."""
    right = {
        text
        for text in map("".join, permutations(COLUMNS[:6]))
        if VERIFIER.grade([(problem("......"), text)])[0].status == "right"
    }
    assert right == {"".join(COLUMNS[column] for column in row) for row in arrangements(6)}


def test_splits_are_stable_and_apart():
    """The same seed gives the same problems, and none comes twice; their tokens are their characters."""
    tokenizer = TASK.tokenizer()
    splits = TASK.splits(tokenizer, VERIFIER.readable)
    assert splits == TASK.splits(tokenizer)
    everything = splits.train + splits.heldout
    assert len({one.id for one in everything}) == len(everything) == 96
    assert tokenizer.decode(splits.train[0].prompt_ids) == splits.train[0].prompt
    assert len(tokenizer) == len(CHARACTERS) + 1
    assert VERIFIER.readable([everything[0].answer, "", "18873=47"]) == [True, False, False]


def test_guess_rate_against_brute_force():
    """The share of all ways to fill the open rows with the free columns that is right, for five problems."""
    for one in TASK.splits(TASK.tokenizer()).heldout[:5]:
        free = [column for column in COLUMNS[:8] if column not in one.answer]
        right = 0
        for order in permutations(free):
            columns = iter(order)
            text = "".join(next(columns) if letter == "." else letter for letter in one.answer)
            right += VERIFIER.grade([(one, text)])[0].status == "right"
        assert right > 0
        assert TASK.guess_rate(one) == pytest.approx(right / factorial(6))


def test_blind_guessing_does_not_help():
    """The shipped task: 256 guesses solve few of its boards, though each has several answers."""
    task = NQueens(queens=11, given=3, train_size=1, heldout_size=200, seed=0)
    heldout = task.splits(task.tokenizer()).heldout
    blind = np.mean([1 - (1 - task.guess_rate(one)) ** 256 for one in heldout])
    assert 0.02 < blind < 0.06
    assert np.median([len(completions(one.answer)) for one in heldout]) > 4


def test_more_than_there_are():
    """Said before a policy is loaded: two arrangements of four queens make eight boards with one of them."""
    with pytest.raises(ConfigError, match=r"data\.queens=4: .* gave 8 different boards with 1 queens, .* want 9"):
        NQueens(4, 1, 8, 1, 0).prepare()
    NQueens(4, 1, 7, 1, 0).prepare()
