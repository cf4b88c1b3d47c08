"""`configs/verifier/`: what is right, and what it is worth."""

from typing import Literal

from rlvr.config.keys import Built, key


class Rewards(Built):
    """What verdicts are worth."""

    right: float = key("right answers", above=0)
    wrong: float = key("answers in their place that are not right", high=0)
    unformatted: float = key("completions without an answer in that place", high=0)


class Verifier(Built):
    """Grades completions."""


class CountdownVerifier(Verifier):
    """Evaluates the expression."""


class Pooled(Verifier):
    """Grades in processes that can be killed."""

    workers: int = key("processes on each rank", low=1)
    timeout_s: float = key("time for an answer", unit="seconds", above=0)
    memory_gib: float = key("memory of a process", unit="GiB", above=0)
    max_failed_share: float = key(
        "part of a rollout batch that may time out or fail before the run ends", low=0, high=1, optional=True
    )
    rewards: Rewards = key("what verdicts are worth", optional=True)


class MathVerifier(Pooled):
    """Mathematical equality."""

    box: Literal["last", "any"] = key("any: right when any box of the completion is", optional=True)
    require_box: bool = key("false: without a box, what follows 'answer is', or stands last, is graded", optional=True)


class ReasoningGymVerifier(Pooled):
    """The task's own scorer."""

    partial: bool = key("a wrong answer is worth what the scorer gives it", optional=True)
