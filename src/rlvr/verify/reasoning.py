"""Grades reasoning_gym's tasks by their own scorers, in the worker processes."""

import importlib.util
import json
from collections.abc import Sequence
from functools import lru_cache

from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify.math.extract import boxes, tagged
from rlvr.verify.pool import KillablePool
from rlvr.verify.pooled import PooledVerifier, Questions
from rlvr.verify.rewards import ZERO_ONE, Rewards
from rlvr.verify.worker import Judge, Question


class ReasoningGymVerifier(PooledVerifier):
    """An answer is right when the task's scorer gives it the full score, and wrong when it gives less."""

    def __init__(
        self,
        workers: int,
        timeout_s: float,
        memory_gib: float,
        max_failed_share: float = 1.0,
        rewards: Rewards = ZERO_ONE,
        partial: bool = False,
    ) -> None:
        """Processes start at the first answer.

        Args:
            workers: Processes that run at the same time, on each rank.
            timeout_s: Wall-clock limit for one answer; one that takes longer gets the verdict `timeout`.
            memory_gib: Memory of one process; an answer that needs more isn't right.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            rewards: The reward of each kind of answer.
            partial: Whether the scorer's score gives a wrong answer a part of a right answer's reward.

        Raises:
            ConfigError: When reasoning_gym isn't installed, or a setting is invalid.
        """
        if importlib.util.find_spec("reasoning_gym") is None:
            raise ConfigError("verifier=reasoning_gym: the package reasoning-gym is missing; pip install 'rlvr[math]'.")
        pool = KillablePool(load_scorers, workers, timeout_s, memory_gib)
        super().__init__(pool, max_failed_share, rewards, partial)

    def questions(self, problem: Problem, text: str) -> Questions:
        r"""One question on the final answer; none where there is no answer.

        Raises:
            ConfigError: When the problem isn't one of reasoning_gym's.
        """
        if '"entry"' not in problem.answer:
            raise ConfigError(
                f"verifier=reasoning_gym: problem {problem.id} has no entry that a task's scorer could "
                "read; data=reasoning_gym makes such problems, and others want verifier=math."
            )
        answer = self.answer(text)
        return Questions([(problem.answer, answer)] if answer else [], formatted=bool(answer))

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each answer has an entry that a scorer can read."""
        return ['"entry"' in answer for answer in answers]

    def answer(self, text: str) -> str:
        r"""The content of the last `<answer>`, or else of the last `\boxed{}`; empty where there is neither."""
        return tagged(text) or (boxes(text) or [""])[-1]


def load_scorers() -> Judge:
    """Import reasoning_gym in a worker, and return the function that scores an answer."""
    from reasoning_gym.factory import get_score_answer_fn

    scorer = lru_cache(get_score_answer_fn)

    def judge(question: Question) -> float:
        written = json.loads(question[0])
        return float(scorer(written["task"])(question[1], written["entry"]))

    return judge
