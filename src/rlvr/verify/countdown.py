"""Grades countdown answers by reading them, never by running them."""

import re
from collections.abc import Sequence
from functools import lru_cache

from rlvr.types import Problem, Verdict

_EXPRESSION = re.compile(r"[1-9](?:[+\-*][1-9])*")
RIGHT, WRONG = Verdict("right", reward=1.0), Verdict("wrong", reward=0.0)


class CountdownVerifier:
    """A completion is right when it is an expression that uses each digit once and equals the target."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order."""
        return [_verdict(problem.answer, text) for problem, text in items]

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each answer holds digits and a target, joined by `=`."""
        return ["=" in answer for answer in answers]

    def answer(self, text: str) -> str:
        """The whole completion."""
        return text


@lru_cache(maxsize=2**16)  # many rollouts of a problem give the same answer
def _verdict(answer: str, text: str) -> Verdict:
    digits, target = answer.split("=")
    # Length and shape first: they bound the work before anything is computed.
    if len(text) != 2 * len(digits) - 1 or not _EXPRESSION.fullmatch(text):
        return WRONG
    right = sorted(text[::2]) == sorted(digits) and value_of(text) == int(target)
    return RIGHT if right else WRONG


def value_of(expression: str) -> int:
    """The value of single digits joined by `+ - *`; `*` is computed before the others."""
    total, term = 0, int(expression[0])
    for operator, digit in zip(expression[1::2], expression[2::2], strict=True):
        if operator == "*":
            term *= int(digit)
        else:
            total += term
            term = int(digit) if operator == "+" else -int(digit)
    return total + term
