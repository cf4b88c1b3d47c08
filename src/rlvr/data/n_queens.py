"""N queens: complete a board so that no queen attacks another.

A prompt such as `.3....:` says for every row in which column its queen stands, or that this is open; `135024` is an
answer. A board has many right answers, and how many differs from board to board, and with it the difficulty. Columns
from 10 on are letters. The task is reasoning_gym's `n_queens` in few characters, for policies made from scratch.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlvr.data.characters import character_tokenizer
from rlvr.data.distinct import distinct
from rlvr.data.source import Readable, Splits, every
from rlvr.types import Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COLUMNS = "0123456789ab"
OPEN = "."
CHARACTERS = COLUMNS + OPEN + ":"
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class NQueens:
    """Boards on which some queens stand already.

    Attributes:
        queens: Of each board, as many as it has rows and columns; 4 (fewer can't be placed) to 12 (so that a character
            names each column).
        given: How many of them stand already.
        train_size: Problems in the pool that RL draws from.
        heldout_size: Problems kept for evaluation; none is in the pool, but one may be the mirror image of one there.
        seed: Seed of the problems, apart from the run's seed, so that runs are compared on the same problems.
    """

    queens: int
    given: int
    train_size: int
    heldout_size: int
    seed: int

    @property
    def max_completion_tokens(self) -> int:
        """A character a row, and the end-of-sequence token."""
        return self.queens + 1

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The task's own character tokenizer, for a policy that is made from scratch."""
        return character_tokenizer(CHARACTERS)

    def prepare(self) -> None:
        """Draw the problems.

        Raises:
            ConfigError: When there are too few.
        """
        _ = self._names

    def splits(self, tokenizer: Any, readable: Readable = every) -> Splits:
        """Solvable boards, all different, tokenised."""
        texts = {name: f"{name}:" for name in self._names}
        problems = [Problem(name, text, tuple(tokenizer(text)["input_ids"]), name) for name, text in texts.items()]
        return Splits(train=problems[: self.train_size], heldout=problems[self.train_size :])

    def demonstrations(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """`count` random (prompt, correct answer) pairs: an arrangement, of which some queens are shown.

        Args:
            rng: Source of randomness, advanced by the call.
            count: Pairs to make.
        """
        return [(f"{name}:", answer) for name, answer in self.draw(rng, count)]

    def draw(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """Boards, such as `.3....`, with an answer. One comes up the more often, the more answers it has."""
        solution_BN = arrangements(self.queens)[rng.integers(len(arrangements(self.queens)), size=count)]
        shown_BN = rng.random(solution_BN.shape).argsort(axis=1) < self.given
        answers = ["".join(COLUMNS[column] for column in row) for row in solution_BN]
        names = [
            "".join(letter if shown else OPEN for letter, shown in zip(answer, shown_N, strict=True))
            for answer, shown_N in zip(answers, shown_BN, strict=True)
        ]
        return list(zip(names, answers, strict=True))

    def guess_rate(self, problem: Problem) -> float:
        """Exact chance that the other queens are placed rightly, one in each open row and free column, at random."""
        return len(completions(problem.answer)) / factorial(self.queens - self.given)

    @cached_property
    def _names(self) -> list[str]:
        rng = np.random.default_rng(self.seed)
        return distinct(
            lambda count: (name for name, _ in self.draw(rng, count)),
            key=str,
            wanted=self.train_size + self.heldout_size,
            setting=f"data.queens={self.queens}",
            kind=f"boards with {self.given} queens",
        )


@cache
def arrangements(queens: int) -> IntArray:
    """Every way to place so many queens: one a row, with the column of each of the N queens."""
    found_BN = np.zeros((1, 0), dtype=np.int64)
    for row in range(queens):
        column_B = np.tile(np.arange(queens), len(found_BN))
        found_BN = np.column_stack([np.repeat(found_BN, queens, axis=0), column_B])
        aside_BN = np.abs(found_BN[:, :row] - column_B[:, None])
        found_BN = found_BN[((aside_BN > 0) & (aside_BN != row - np.arange(row))).all(axis=1)]
    return found_BN


def completions(board: str) -> IntArray:
    """The arrangements that keep a board's queens, one a row."""
    kept = [row for row, letter in enumerate(board) if letter != OPEN]
    columns = [COLUMNS.index(board[row]) for row in kept]
    all_BN = arrangements(len(board))
    return all_BN[(all_BN[:, kept] == columns).all(axis=1)]
