"""Grades code by running it against the problem's tests, isolated from everything and from the tests themselves."""

import re
from collections.abc import Iterator, Sequence

from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify.pooled import PooledVerifier, Questions
from rlvr.verify.python.sandbox import find, refusal
from rlvr.verify.python.task import read
from rlvr.verify.python.trial import Trials
from rlvr.verify.rewards import ZERO_ONE, Rewards

_FENCE = re.compile(r"(?P<indent> *)(?P<marks>`{3,}|~{3,})\s*(?P<label>(?P<language>[\w+-]*)[^`]*)")
LANGUAGES = {"", "python", "python3", "py"}
LONGEST = 100_000  # characters; longer code is not run


class PythonVerifier(PooledVerifier):
    """A completion is right when its last code block passes the problem's tests."""

    def __init__(
        self,
        workers: int,
        timeout_s: float,
        memory_gib: float,
        max_failed_share: float = 1.0,
        rewards: Rewards = ZERO_ONE,
        allow_unisolated: bool = False,
    ) -> None:
        """Processes start with each completion.

        Args:
            workers: Completions that are judged at the same time, on each rank, in two processes each.
            timeout_s: Wall-clock limit for one completion; one that takes longer gets the verdict `timeout`.
            memory_gib: Memory of one process; code that needs more isn't right.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            rewards: The reward of each kind of answer.
            allow_unisolated: Whether to run what a policy writes even where the machine can't isolate it.

        Raises:
            ConfigError: When this machine can't isolate and that isn't allowed, or a setting is invalid.
        """
        if fault := refusal("verifier", allow_unisolated):
            raise ConfigError(fault)
        sandbox, faults = find()
        if not sandbox.name:
            from rlvr.console import console  # slow to import, also for worker processes of other verifiers

            console.print(f"verifier.allow_unisolated=true: what the policy writes can reach files ({faults}).")
        super().__init__(Trials(sandbox, workers, timeout_s, memory_gib), max_failed_share, rewards)

    def questions(self, problem: Problem, text: str) -> Questions:
        """One question: the last block's code and the tests.

        Raises:
            ConfigError: When the problem has no tests.
        """
        if read(problem.answer) is None:
            raise ConfigError(
                f"verifier=python: the answer of problem {problem.id} holds no tests that could be run; "
                "docs/verification.md has what it must hold, and other problems want another verifier."
            )
        code = self.answer(text)
        if not code or len(code) > LONGEST:
            return Questions([], formatted=False)
        return Questions([(problem.answer, code)], formatted=True)

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each answer holds tests that are valid Python."""
        return [read(answer) is not None for answer in answers]

    def answer(self, text: str) -> str:
        """The code in the last block that is labelled as Python, or has no label."""
        return next(iter(reversed(list(_blocks(text)))), "")


def _blocks(text: str) -> Iterator[str]:
    """The content of each such block, without empty lines at its ends. A block that is never closed is last, and empty.

    As in Markdown, lines lose the block's own indentation, and marks that are indented by four spaces more, as in a
    function's docstring, do not close the block.
    """
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        mark = _FENCE.fullmatch(line)
        if opened is None:
            opened, lines = mark, []
            continue
        indent = len(opened["indent"])
        if (
            mark
            and mark["marks"].startswith(opened["marks"])
            and not mark["label"]
            and len(mark["indent"]) < indent + 4
        ):
            if opened["language"].lower() in LANGUAGES:
                yield "\n".join(lines).strip("\n")
            opened = None
        else:
            lines.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
    if opened and opened["language"].lower() in LANGUAGES:
        yield ""
