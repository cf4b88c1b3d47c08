"""The rewards of verdicts."""

from dataclasses import dataclass

from rlvr.types import Status, Verdict


@dataclass(frozen=True, slots=True)
class Rewards:
    """The reward of each kind of answer.

    Attributes:
        right: Right answers.
        wrong: Answers that stand where they were asked for and are not right, including those that could not be graded.
        unformatted: Completions without an answer in that place.
    """

    right: float = 1.0
    wrong: float = 0.0
    unformatted: float = 0.0

    def verdict(self, status: Status, formatted: bool = True, score: float = 0.0) -> Verdict:
        """The verdict of one answer.

        Args:
            status: Whether it is right.
            formatted: Whether it stands where it was asked for.
            score: How far the reward of a wrong answer lies on the way from `wrong` to `right`, 0 to 1.
        """
        if status == "right":
            return Verdict(status, self.right, formatted)
        if not formatted:
            return Verdict(status, self.unformatted, formatted)
        return Verdict(status, self.wrong + score * (self.right - self.wrong), formatted)


ZERO_ONE = Rewards()
