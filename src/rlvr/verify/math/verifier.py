"""Grades mathematics: plain answers here, formulas in the worker processes."""

import importlib.util
import logging
from collections.abc import Sequence
from functools import partial
from typing import Literal

from rlvr.errors import ConfigError
from rlvr.types import Problem, Status
from rlvr.verify.math.compare import any_form, judged, reduced
from rlvr.verify.math.extract import boxes, references, unboxed
from rlvr.verify.math.latex import clean
from rlvr.verify.pool import KillablePool
from rlvr.verify.pooled import PooledVerifier, Questions
from rlvr.verify.rewards import ZERO_ONE, Rewards
from rlvr.verify.worker import Judge, Question


class MathVerifier(PooledVerifier):
    """A completion is right when its final answer says what the reference says; docs/verification.md has the rules."""

    def __init__(
        self,
        workers: int,
        timeout_s: float,
        memory_gib: float,
        box: Literal["last", "any"] = "last",
        require_box: bool = True,
        final_form: Literal["required", "any"] = "required",
        max_failed_share: float = 1.0,
        rewards: Rewards = ZERO_ONE,
    ) -> None:
        r"""Processes start at the first answer that needs one.

        Args:
            workers: Processes that run at the same time, on each rank.
            timeout_s: Wall-clock limit for one answer; one that takes longer gets the verdict `timeout`.
            memory_gib: Memory of one process; an answer that needs more isn't right.
            box: Which `\boxed{}` counts, the last one or any.
            require_box: Whether a completion without a box is wrong. If not, the text behind "answer is", or the last
                formula or number, is graded.
            final_form: Where it is required, an answer that leaves more to compute than the reference is `unevaluated`.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            rewards: The reward of each kind of answer.

        Raises:
            ConfigError: When latex2sympy2_extended, which reads formulas, isn't installed, or a setting is invalid.
        """
        if importlib.util.find_spec("latex2sympy2_extended") is None:
            raise ConfigError("verifier=math: the package latex2sympy2_extended is missing; pip install 'rlvr[math]'.")
        if box not in ("last", "any"):
            raise ConfigError(f"verifier.box={box}: unknown; choose last or any.")
        if final_form not in ("required", "any"):
            raise ConfigError(f"verifier.final_form={final_form}: unknown; choose required or any.")
        self.final = final_form == "required"
        pool = KillablePool(partial(load_judge, self.final), workers, timeout_s, memory_gib)
        super().__init__(pool, max_failed_share, rewards)
        self.box = box
        self.require_box = require_box

    def questions(self, problem: Problem, text: str) -> Questions:
        """The answers to compare with the reference."""
        found = boxes(text)
        answers = found if self.box == "any" else found[-1:]
        if not found and not self.require_box:
            answers = [unboxed(text)]
        golds = references(problem.answer)
        questions = [(gold, answer) for answer in dict.fromkeys(answers) if answer for gold in golds]
        return Questions(questions, formatted=bool(found and questions))

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each answer can be brought into one spelling, after solutions are cut down to their last box."""
        return [all(map(clean, references(answer))) for answer in answers]

    def answer(self, text: str) -> str:
        """The content of the last box, or what is graded in place of it, in one spelling."""
        found = boxes(text)
        return clean(found[-1] if found else "" if self.require_box else unboxed(text))

    def plain(self, question: Question) -> Status | None:
        """Decides what needs no mathematics: numbers, texts, and the same formula in another spelling."""
        wanted, given = question
        return judged(wanted, given, _unsure, reduced if self.final else any_form)


def _unsure(reference: str, answer: str) -> None:
    """None, since comparing formulas is left to the worker processes."""


def load_judge(final_form: bool) -> Judge:
    """Import the reader of formulas in a worker, and return the function that compares two answers."""
    from rlvr.verify.math.judge import judge

    logging.disable(logging.CRITICAL)  # the parser warns that it has no timeout; the parent process has one
    return partial(judge, final_form=final_form)
