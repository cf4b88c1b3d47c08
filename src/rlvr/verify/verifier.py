"""What a verifier must offer."""

from collections.abc import Sequence
from typing import Protocol

from rlvr.types import Problem, Verdict


class Verifier(Protocol):
    """Judges completions by the problem's answer. Only a user's own function sees the prompt as well."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order; never raises for a bad completion."""

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether this verifier can read each answer of a data set. It finds nothing right where it can't read that."""

    def answer(self, text: str) -> str:
        """The final answer of a completion, equal for answers that look the same; empty where there is none."""
