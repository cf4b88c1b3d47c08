"""Rewards of your own, for `verifier=function` and as a part of `verifier=weighted` (docs/verification.md)."""

from rlvr.types import Problem
from rlvr.verify import CountdownVerifier


def short(problem: str, completion: str, answer: str) -> tuple[float, str]:
    """For Countdown: a right expression is worth 1; a wrong one loses up to 1, more the further its length is off."""
    (verdict,) = CountdownVerifier().grade([(Problem("", problem, (), answer), completion)])
    if verdict.status == "right":
        return 1.0, "right"
    length = 2 * len(answer.partition("=")[0]) - 1  # the length of the digits with the operators between them
    return -min(abs(len(completion) - length) / length, 1.0), "wrong"


def boxed(problem: str, completion: str, answer: str) -> float:
    r"""A bonus for exactly one closed `\boxed{}`, whatever its content; half of the bonus for several."""
    _, *boxes = completion.split(r"\boxed{")
    if not boxes or not all("}" in box for box in boxes):
        return 0.0
    return 1.0 if len(boxes) == 1 else 0.5
