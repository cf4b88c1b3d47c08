"""What verifiers with worker processes share: equal questions are asked once, and the run stops if many fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rlvr.errors import ConfigError, RunError
from rlvr.types import Problem, Status, Verdict
from rlvr.verify.rewards import ZERO_ONE, Rewards
from rlvr.verify.worker import Question, Reply

# Fewer failures than this are too few to judge their share.
ENOUGH_FAILURES = 8
EXAMPLES = 3
EXAMPLE_CHARACTERS = 160
# Of several replies about one completion, the first of these counts.
ORDER: tuple[Status, ...] = ("right", "timeout", "error", "unevaluated", "wrong")


@dataclass(frozen=True)
class Questions:
    """What the judge is asked about one completion.

    Attributes:
        questions: The completion is right when the reply to at least one of them is `right`.
        formatted: Whether the answer stands where it was asked for.
    """

    questions: Sequence[Question]
    formatted: bool


class Pool(Protocol):
    """Processes that judge.

    Attributes:
        timeout_s: Wall-clock time for one question.
    """

    timeout_s: float

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to each question, in order."""


class PooledVerifier:
    """Grades in killable processes. A subclass decides what is asked, and what needs no process."""

    def __init__(self, pool: Pool, max_failed_share: float, rewards: Rewards = ZERO_ONE, partial: bool = False) -> None:
        """Start nothing yet. The subclasses describe the arguments."""
        if not rewards.right > 0 >= max(rewards.wrong, rewards.unformatted):
            raise ConfigError(f"verifier.rewards={rewards}: right must be above 0 and the others at most 0.")
        self._pool = pool
        self._max_failed_share = max_failed_share
        self._rewards = rewards
        self._partial = partial

    def questions(self, problem: Problem, text: str) -> Questions:
        """The questions that decide on a completion."""
        raise NotImplementedError

    def plain(self, question: Question) -> Status | None:
        """The status where a question needs no process, else None."""
        return None

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order.

        Raises:
            RunError: When more of them time out or fail than `max_failed_share`.
        """
        asked = [self.questions(problem, text) for problem, text in items]
        # Many rollouts of a group give the same answer: it is judged once.
        questions = list(dict.fromkeys(question for each in asked for question in each.questions))
        replies = self._replies(questions)
        verdicts = [self._verdict(each, [replies[question] for question in each.questions]) for each in asked]
        self._stop_where_failing(items, verdicts)
        return verdicts

    def _verdict(self, asked: Questions, replies: Sequence[Reply]) -> Verdict:
        status, score = min(replies, key=lambda reply: (ORDER.index(reply[0]), -reply[1]), default=("wrong", 0.0))
        return self._rewards.verdict(status, asked.formatted, score if self._partial else 0.0)

    def _replies(self, questions: Sequence[Question]) -> dict[Question, Reply]:
        replies: dict[Question, Reply] = {}
        hard = []
        for question in questions:
            if (status := self.plain(question)) is None:
                hard.append(question)
            else:
                replies[question] = (status, 0.0)
        return replies | dict(zip(hard, self._pool.ask(hard), strict=True))

    def _stop_where_failing(self, items: Sequence[tuple[Problem, str]], verdicts: Sequence[Verdict]) -> None:
        failed = [index for index, verdict in enumerate(verdicts) if verdict.status in ("timeout", "error")]
        if len(failed) < ENOUGH_FAILURES or len(failed) <= self._max_failed_share * len(items):
            return
        examples = "; ".join(
            f"{items[index][0].id} ({verdicts[index].status}): ...{items[index][1][-EXAMPLE_CHARACTERS:]!r}"
            for index in failed[:EXAMPLES]
        )
        raise RunError(
            f"{len(failed)} of {len(items)} answers could not be graded, more than verifier.max_failed_share="
            f"{self._max_failed_share:g} of them, which makes noise of rewards; look at what they have in common, and "
            f"give an answer more time (verifier.timeout_s={self._pool.timeout_s:g}) or memory (verifier.memory_gib), "
            f"or raise the share: {examples}."
        )
