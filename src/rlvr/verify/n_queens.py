"""Grades arrangements of queens."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

from rlvr.types import Problem, Verdict
from rlvr.verify.countdown import RIGHT, WRONG

COLUMNS = "0123456789ab"  # as `rlvr.data.n_queens` writes them


class NQueensVerifier:
    """A completion is right when it has a queen in every row, keeps the given ones, and no two attack each other."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order."""
        return [_verdict(problem.answer, text) for problem, text in items]

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each reference is a board: columns, and dots where a row is open."""
        return [bool(answer) and set(answer) <= {*COLUMNS, "."} for answer in answers]

    def answer(self, text: str) -> str:
        """The whole completion."""
        return text


@lru_cache(maxsize=2**16)  # many rollouts of a problem give the same answer
def _verdict(board: str, text: str) -> Verdict:
    if len(text) != len(board) or not set(text) <= set(COLUMNS[: len(board)]):
        return WRONG
    keeps = all(given in (".", letter) for given, letter in zip(board, text, strict=True))
    places = list(enumerate(map(COLUMNS.index, text)))
    peaceful = all(
        abs(column - other) not in (0, later - row) for (row, column), (later, other) in combinations(places, 2)
    )
    return RIGHT if keeps and peaceful else WRONG
