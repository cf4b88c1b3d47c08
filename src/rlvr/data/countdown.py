"""Countdown: write an expression that uses each given digit once and hits the target.

A prompt such as `18873=47:` is answered by `8*7-8-1*...`: digits and `+ - *` with the usual precedence, no brackets,
so every answer to N digits has 2N-1 characters. Problems come from random expressions, so each one is solvable.

How far blind guessing gets depends on digits and targets (`Countdown.guess_rate`): with five digits and targets of 10
to 99 it solves nine problems in ten within 256 tries, with six digits and targets of 100 to 999 about one in three.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlvr.data.characters import character_tokenizer
from rlvr.data.distinct import distinct
from rlvr.data.source import Readable, Splits, every
from rlvr.errors import ConfigError
from rlvr.types import Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

OPERATORS = "+-*"
CHARACTERS = "0123456789" + OPERATORS + "=:"
UNIFORM = (1 / 3, 1 / 3, 1 / 3)
MISSES = 1000  # draws of two batches in a row without one target in range, before there is taken to be none
IntArray = NDArray[np.int64]


def evaluate(digits_BN: IntArray, operators_BM: IntArray) -> IntArray:
    """Value of each row's expression; `*` binds before `+` and `-`.

    Args:
        digits_BN: Operands, B expressions of N digits.
        operators_BM: Indices into `OPERATORS`, M = N-1 per row; operator j stands before operand j+1.
    """
    total_B = np.zeros(len(digits_BN), dtype=np.int64)
    term_B = digits_BN[:, 0].copy()
    for column in range(operators_BM.shape[1]):
        operator_B, digit_B = operators_BM[:, column], digits_BN[:, column + 1]
        times_B = operator_B == OPERATORS.index("*")
        total_B += np.where(times_B, 0, term_B)
        sign_B = np.where(operator_B == OPERATORS.index("-"), -1, 1)
        term_B = np.where(times_B, term_B * digit_B, sign_B * digit_B)
    return total_B + term_B


def render(digits_N: IntArray, operators_M: IntArray) -> str:
    """The expression as text, for example `8*7-8`."""
    pieces = [str(digits_N[0])]
    for operator, digit in zip(operators_M, digits_N[1:], strict=True):
        pieces += [OPERATORS[operator], str(digit)]
    return "".join(pieces)


@dataclass(frozen=True)
class Countdown:
    """Countdown problems with `numbers` single digits (1 to 9).

    Attributes:
        numbers: N, digits a problem.
        target_min: Smallest target.
        target_max: Largest target.
        train_size: Problems in the pool that RL draws from.
        heldout_size: Problems kept for evaluation; none shares digits and target with the pool.
        seed: Seed of the problems, apart from the run's seed, so that runs are compared on the same problems.
        operator_shares: Chances of `+`, `-`, `*` in the demonstrations; rare ones are what RL then loses.
        prompt: What the policy reads, with {digits} (`18873`) or {numbers} (`1, 8, 8, 7, 3`) and {target}.
    """

    numbers: int
    target_min: int
    target_max: int
    train_size: int
    heldout_size: int
    seed: int
    operator_shares: Sequence[float] = UNIFORM
    prompt: str = "{digits}={target}:"

    @property
    def max_completion_tokens(self) -> int:
        """2N-1 characters and the end-of-sequence token."""
        return 2 * self.numbers

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The task's own character tokenizer, for a policy that is made from scratch."""
        return character_tokenizer(CHARACTERS)

    def prepare(self) -> None:
        """Draw the problems.

        Raises:
            ConfigError: When problems are too few, no target can be reached, or the prompt has another placeholder.
        """
        self._rendered("12=3")
        _ = self._names

    def splits(self, tokenizer: Any, readable: Readable = every) -> Splits:
        """Solvable problems, operators drawn uniformly, distinct by (digits, target), tokenised."""
        texts = {name: self._rendered(name) for name in self._names}
        problems = [Problem(name, text, tuple(tokenizer(text)["input_ids"]), name) for name, text in texts.items()]
        return Splits(train=problems[: self.train_size], heldout=problems[self.train_size :])

    @cached_property
    def _names(self) -> list[str]:
        rng = np.random.default_rng(self.seed)
        texts = distinct(
            lambda count: (name for name, _ in self.draw(rng, count, UNIFORM)),
            key=_digits_and_target,
            wanted=self.train_size + self.heldout_size,
            setting=f"data.numbers={self.numbers}",
            kind=f"problems with targets of {self.target_min} to {self.target_max}",
        )
        random.Random(self.seed).shuffle(texts)
        return texts

    def demonstrations(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """`count` random (prompt, correct answer) pairs with a target in range, their operators by `operator_shares`.

        Args:
            rng: Source of randomness, advanced by the call.
            count: Pairs to make.

        Raises:
            ConfigError: When no target in range comes up, or the prompt has another placeholder.
        """
        return [(self._rendered(name), answer) for name, answer in self.draw(rng, count, self.operator_shares)]

    def _rendered(self, name: str) -> str:
        digits, target = name.split("=")
        try:
            return self.prompt.format(digits=digits, numbers=", ".join(digits), target=target)
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError(
                f"data.prompt={self.prompt!r}: may hold {{digits}}, {{numbers}} and {{target}} in braces, nothing else."
            ) from error

    def draw(self, rng: np.random.Generator, count: int, operator_shares: Sequence[float]) -> list[tuple[str, str]]:
        """Names of problems, such as `18873=47`, with an answer."""
        pairs: list[tuple[str, str]] = []
        misses = 0
        while len(pairs) < count:
            digits_BN = rng.integers(1, 10, size=(2 * count, self.numbers))
            operators_BM = rng.choice(len(OPERATORS), p=operator_shares, size=(2 * count, self.numbers - 1))
            value_B = evaluate(digits_BN, operators_BM)
            shuffled_BN = rng.permuted(digits_BN, axis=1)
            hits = np.flatnonzero((value_B >= self.target_min) & (value_B <= self.target_max))
            for row in hits:
                name = "".join(map(str, shuffled_BN[row])) + f"={value_B[row]}"
                pairs.append((name, render(digits_BN[row], operators_BM[row])))
            misses = 0 if len(hits) else misses + 1
            if misses == MISSES:
                raise ConfigError(
                    f"data.target_min={self.target_min}, data.target_max={self.target_max}: {self.numbers} digits "
                    "reach no such target, or hardly ever; widen the range or raise data.numbers."
                )
        return pairs[:count]

    def guess_rate(self, problem: Problem) -> float:
        """Exact chance that a random order of the digits with uniformly random operators hits the target."""
        digits, target = problem.answer.split("=")
        counts = _value_counts("".join(sorted(digits)))
        return counts[int(target)] / counts.total()


def _digits_and_target(name: str) -> tuple[str, str]:
    digits, target = name.split("=")
    return "".join(sorted(digits)), target


@cache
def _value_counts(digits: str) -> Counter[int]:
    """How often each value occurs over all orders of `digits` (repeats counted) and all operators."""
    orders_BN = np.array(list(permutations(map(int, digits))), dtype=np.int64)
    counts: Counter[int] = Counter()
    for operators in product(range(len(OPERATORS)), repeat=len(digits) - 1):
        operators_BM = np.tile(np.array(operators, dtype=np.int64), (len(orders_BN), 1))
        values, numbers = np.unique(evaluate(orders_BN, operators_BM), return_counts=True)
        counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return counts
