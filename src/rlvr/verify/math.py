r"""Grades mathematics: math-verify compares the last \boxed{} of a completion with the reference answer."""

import importlib.util
import logging
import re
from collections.abc import Sequence

from rlvr.errors import ConfigError
from rlvr.types import Problem, Status, Verdict
from rlvr.verify.pool import Judge, KillablePool, Question

# The final answer stands at the end: a runaway completion's bulk isn't searched, nor can a box that it never closes
# grow without bound. This many characters are about 3,072 tokens, the published response length.
TAIL_CHARACTERS = 10_000

_BOX = re.compile(r"\\boxed(?:\s*\{|\s+(?P<bare>-?\d+(?:[./]\d+)?))")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


class MathVerifier:
    """Right when the last boxed answer equals the reference, as text or, for math-verify, as mathematics."""

    def __init__(self, workers: int, timeout_s: float, memory_gib: float) -> None:
        """Processes start at the first answer that needs one.

        Args:
            workers: Processes side by side, on each rank.
            timeout_s: Wall-clock time for one answer; longer is the verdict `timeout`.
            memory_gib: Memory of one process; an answer that needs more isn't right.

        Raises:
            ConfigError: When math-verify isn't installed.
        """
        if importlib.util.find_spec("math_verify") is None:
            raise ConfigError('verifier=math: the package math-verify is missing; pip install -e ".[math]".')
        self._pool = KillablePool(load_judge, workers, timeout_s, memory_gib)

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order."""
        questions = [(boxed(problem.answer) or problem.answer, boxed(text)) for problem, text in items]
        statuses: dict[Question, Status] = {}
        for reference, answer in questions:
            if not answer:
                statuses[reference, answer] = "wrong"
            elif "".join(answer.split()) == "".join(reference.split()):
                statuses[reference, answer] = "right"
        # Many rollouts of a group give the same answer: it is judged once.
        hard = list(dict.fromkeys(question for question in questions if question not in statuses))
        statuses.update(zip(hard, self._pool.ask(hard), strict=True))
        return [Verdict(statuses[question]) for question in questions]


def boxed(text: str) -> str:
    r"""What stands in the last `\boxed{}` (or `\boxed 5`); empty where there is none, or where it isn't closed."""
    text = text[-TAIL_CHARACTERS:]
    boxes = list(_BOX.finditer(text))
    if not boxes:
        return ""
    box = boxes[-1]
    if box["bare"]:
        return box["bare"]
    depth = 1
    for brace in _BRACE.finditer(text, box.end()):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)  # an escaped brace counts for nothing
        if not depth:
            return text[box.end() : brace.start()].strip()
    return ""


def load_judge() -> Judge:
    """Import math-verify, in a worker, and return the function that compares two answers."""
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)  # it warns that there is no timeout; the parent keeps the time
    # Without further patterns: they would find a number in an answer that can't be read as a whole.
    target = [LatexExtractionConfig(try_extract_without_anchor=False, boxed_match_priority=0)]

    def judge(question: Question) -> bool:
        # Its own timeouts are signals, which neither stop C code nor work in threads. Its errors are raised, so that
        # they are counted.
        reference, answer = (
            parse(rf"\boxed{{{text}}}", target, parsing_timeout=None, raise_on_error=True) for text in question
        )
        return bool(verify(reference, answer, timeout_seconds=None, raise_on_error=True))

    return judge
