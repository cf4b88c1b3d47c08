"""What a verifier must offer."""

from collections.abc import Sequence
from typing import Protocol

from rlvr.types import Problem, Verdict


class Verifier(Protocol):
    """Judges completions by the problem's answer; only a function of a user's own sees the prompt, too."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order; never raises for a bad completion."""

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Which of a data set's answers mean anything here; a problem with another could never be solved."""

    def answer(self, text: str) -> str:
        """The final answer of a completion, the same for answers that look the same; empty where there is none."""
