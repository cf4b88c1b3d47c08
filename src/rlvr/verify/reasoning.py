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
    """Right when the task's scorer gives the final answer its full score; less is wrong."""

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
            workers: Processes side by side, on each rank.
            timeout_s: Wall-clock time for one answer; longer is the verdict `timeout`.
            memory_gib: Memory of one process; an answer that needs more isn't right.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            rewards: What verdicts are worth.
            partial: Whether a wrong answer is worth the part of a right one that the scorer gives it.

        Raises:
            ConfigError: When reasoning_gym isn't installed, or a setting means nothing.
        """
        if importlib.util.find_spec("reasoning_gym") is None:
            raise ConfigError("verifier=reasoning_gym: the package reasoning-gym is missing; pip install 'rlvr[math]'.")
        pool = KillablePool(load_scorers, workers, timeout_s, memory_gib)
        super().__init__(pool, max_failed_share, rewards, partial)

    def questions(self, problem: Problem, text: str) -> Questions:
        r"""What stands in the last `<answer>`, or else in the last `\boxed{}`.

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
        """Those with an entry for a scorer."""
        return ['"entry"' in answer for answer in answers]

    def answer(self, text: str) -> str:
        """What `asked` passes on."""
        return tagged(text) or (boxes(text) or [""])[-1]


def load_scorers() -> Judge:
    """Import reasoning_gym, in a worker, and return the function that scores an answer."""
    from reasoning_gym.factory import get_score_answer_fn

    scorer = lru_cache(get_score_answer_fn)

    def judge(question: Question) -> float:
        written = json.loads(question[0])
        return float(scorer(written["task"])(question[1], written["entry"]))

    return judge
