"""What a problem source must offer, and what it may offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlvr.data.report import Reading
from rlvr.types import Problem

# For each reference answer, whether the verifier can read it.
Readable = Callable[[Sequence[str]], Sequence[bool]]


def every(answers: Sequence[str]) -> list[bool]:
    """Takes all answers as readable: for a problem set that has made them itself."""
    return [True] * len(answers)


@dataclass(frozen=True, slots=True)
class Splits:
    """The problems of a run.

    Attributes:
        train: The pool that RL draws from.
        heldout: Never trained on.
        readings: What the sets were read from and what was left out; none where problems are made.
    """

    train: list[Problem]
    heldout: list[Problem]
    readings: tuple[Reading, ...] = ()


class ProblemSource(Protocol):
    """Makes or reads problems. Sizes are known before anything is loaded, so that they can be checked."""

    def prepare(self) -> None:
        """Find faults without a tokenizer, before a policy is loaded; what is read is kept for `splits`.

        Raises:
            ConfigError: When the problems can't be read or made.
        """

    @property
    def max_completion_tokens(self) -> int | None:
        """The length of the longest useful answer in tokens, where the task knows it."""

    def splits(self, tokenizer: Any, readable: Readable) -> Splits:
        """The problems, prompts rendered and tokenised.

        Args:
            tokenizer: The policy's.
            readable: Says which answers the verifier can read.
        """

    def guess_rate(self, problem: Problem) -> float | None:
        """Chance that one blind guess of the right form is correct, where the task knows it."""


class TextSource:
    """What holds for all problems in words: neither the length of an answer nor the chance of a guess is known."""

    @property
    def max_completion_tokens(self) -> None:
        """Not known."""

    def guess_rate(self, problem: Problem) -> None:
        """Not known."""
