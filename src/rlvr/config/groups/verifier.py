"""`configs/verifier/`: which answers are right, and their rewards."""

from typing import ClassVar, Literal

from rlvr.config.keys import Built, key


class Rewards(Built):
    """The rewards of verdicts."""

    right: float = key("right answers", above=0)
    wrong: float = key("answers in their place that are not right", high=0)
    unformatted: float = key("completions without an answer in that place", high=0)


class Verifier(Built):
    """Grades completions."""

    # Whether a wrong answer may have any reward, without a setting that tells it.
    own_worth: ClassVar[bool] = False


class CountdownVerifier(Verifier):
    """Evaluates the expression."""


class NQueensVerifier(Verifier):
    """Looks at every two queens."""


class Pooled(Verifier):
    """Grades in processes that can be killed."""

    workers: int = key("processes on each rank", low=1)
    timeout_s: float = key("time for an answer", unit="seconds", above=0)
    memory_gib: float = key("memory of a process", unit="GiB", above=0)
    max_failed_share: float = key(
        "part of a rollout batch that may time out or fail before the run ends", low=0, high=1, optional=True
    )


class Priced(Pooled):
    """Says right or wrong; settings decide on the rewards."""

    rewards: Rewards = key("what verdicts are worth", optional=True)


class MathVerifier(Priced):
    """Mathematical equality."""

    box: Literal["last", "any"] = key("any: right when any box of the completion is", optional=True)
    final_form: Literal["required", "any"] = key(
        "required: no more left to compute than the reference leaves", optional=True
    )
    require_box: bool = key("false: without a box, what follows 'answer is', or stands last, is graded", optional=True)


class ReasoningGymVerifier(Priced):
    """The task's own scorer."""

    partial: bool = key("a wrong answer is worth what the scorer gives it", optional=True)


class PythonVerifier(Priced):
    """Runs code against the problem's tests."""

    allow_unisolated: bool = key("run what the policy writes even where the machine can't isolate", optional=True)


class FunctionVerifier(Pooled):
    """A function of your own."""

    own_worth: ClassVar[bool] = True
    function: str = key("FILE.py:NAME, a function score(problem, completion, answer) of your own")
    failed: float = key("what an answer is worth that times out or fails", optional=True)
    content: str = key("names what the file holds, by itself: one that has changed is another setting", optional=True)


class WeightedVerifier(Verifier):
    """Several rewards, combined by weights."""

    own_worth: ClassVar[bool] = True
    parts: dict[str, Verifier] = key("verifiers, by any name")
    weights: dict[str, float] = key("what each part's reward is multiplied by, by its name")
    status_from: str = key("the part that says what is right")
