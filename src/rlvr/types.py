"""The things that walk through the rooms: plain frozen records, no behaviour beyond reading themselves."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]
Status = Literal["right", "wrong", "timeout", "error"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One question that a program can grade.

    Attributes:
        id: Stable name, the same in every run and on every machine.
        prompt: The text that the policy sees, template applied.
        prompt_ids: `prompt` as token ids; its length is the prompt length in tokens.
        answer: What the verifier needs to judge a completion; its meaning is the verifier's.
    """

    id: str
    prompt: str
    prompt_ids: tuple[int, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """One completion sampled from the policy.

    Attributes:
        completion_ids: Sampled token ids, the end-of-sequence token included when one was sampled.
        logps: Natural-log probability of each sampled token under the policy that sampled it,
            at the sampling temperature; as long as `completion_ids`.
        text: The completion without special tokens, as the verifier sees it.
        finish: `stop` when the policy ended it, `length` when the token limit did.
    """

    completion_ids: tuple[int, ...]
    logps: tuple[float, ...]
    text: str
    finish: FinishReason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says of one completion. A time-out or an error is counted apart from `wrong`."""

    status: Status

    @property
    def reward(self) -> float:
        """1.0 for a right answer, 0.0 for everything else."""
        return float(self.status == "right")


@dataclass(frozen=True, slots=True)
class Group:
    """All G rollouts of one problem with their verdicts, sampled at one policy version."""

    problem: Problem
    rollouts: tuple[Rollout, ...]
    verdicts: tuple[Verdict, ...]
    version: int

    @property
    def successes(self) -> int:
        """m, the number of right answers among the G rollouts."""
        return sum(verdict.status == "right" for verdict in self.verdicts)
