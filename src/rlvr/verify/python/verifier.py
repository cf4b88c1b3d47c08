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
LONGEST = 100_000  # characters; more is no answer to anything


class PythonVerifier(PooledVerifier):
    """Right when the completion's last code block passes the problem's tests."""

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
            workers: Completions that are judged side by side, on each rank, in two processes each.
            timeout_s: Wall-clock time for one; longer is the verdict `timeout`.
            memory_gib: Memory of one process; code that needs more isn't right.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            rewards: What verdicts are worth.
            allow_unisolated: Where the machine can't isolate, run what a policy writes all the same.

        Raises:
            ConfigError: When this machine can't isolate and that isn't allowed, or a setting means nothing.
        """
        if fault := refusal("verifier", allow_unisolated):
            raise ConfigError(fault)
        sandbox, faults = find()
        if not sandbox.name:
            from rlvr.console import console  # slow to import, also for every process of another verifier

            console.print(f"verifier.allow_unisolated=true: what the policy writes can reach files ({faults}).")
        super().__init__(Trials(sandbox, workers, timeout_s, memory_gib), max_failed_share, rewards)

    def questions(self, problem: Problem, text: str) -> Questions:
        """The last block's code, beside the tests.

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
        """Those with tests that are Python."""
        return [read(answer) is not None for answer in answers]

    def answer(self, text: str) -> str:
        """The code in the last block that is said to be Python, or not said what it is."""
        return next(iter(reversed(list(_blocks(text)))), "")


def _blocks(text: str) -> Iterator[str]:
    """What stands in each block, without empty ends; one that is never closed is the last, and empty.

    As in Markdown, lines lose what the block itself is indented by, and marks that are indented by four more, as in a
    function's docstring, close nothing.
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
