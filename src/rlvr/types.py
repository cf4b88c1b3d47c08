"""What is handed from stage to stage: plain frozen records, no behaviour beyond reading themselves."""

from dataclasses import dataclass
from itertools import compress
from typing import Literal, get_args

# Between spellings of one answer in a `Problem`'s: any of them is right.
ALTERNATIVE = "\x1e"
FinishReason = Literal["stop", "length"]
Status = Literal["right", "unevaluated", "wrong", "timeout", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)


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
class Completion:
    """One completion sampled from the policy.

    Attributes:
        token_ids: Sampled token ids, the end-of-sequence token included when one was sampled; T tokens.
        logps: Natural-log probability of each token under the policy that sampled it, at the sampling temperature;
            as long as `token_ids`.
        text: The completion without special tokens, as the verifier sees it.
        finish: `stop` when the policy ended it, `length` when the token limit did.
        trainable: Which tokens the policy wrote, as long as `token_ids`; the others (a tool's output, say) are read but
            never learned from. None: all of them.
    """

    token_ids: tuple[int, ...]
    logps: tuple[float, ...]
    text: str
    finish: FinishReason
    trainable: tuple[bool, ...] | None = None

    @property
    def trainable_tokens(self) -> int:
        """Tokens that the policy wrote."""
        return len(self.token_ids) if self.trainable is None else sum(self.trainable)

    @property
    def trainable_logp(self) -> float:
        """Log-probability of what the policy wrote, nats."""
        return sum(self.logps if self.trainable is None else compress(self.logps, self.trainable))


@dataclass(frozen=True, slots=True)
class Verdict:
    r"""What the verifier says of one completion.

    Attributes:
        status: What counts for Pass@k. An equal value that is still to be computed, a time-out and an error are counted
            apart from `wrong`.
        reward: What the policy learns from; a wrong answer may be worth a part of a right one.
        formatted: Whether the answer stands where it was asked for, in a `\boxed{}` say.
        parts: Names and values of the rewards of which `reward` is the weighted sum, if it is one.
    """

    status: Status
    reward: float
    formatted: bool = True
    parts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """All G completions of one problem with their verdicts, sampled at one policy version."""

    problem: Problem
    completions: tuple[Completion, ...]
    verdicts: tuple[Verdict, ...]
    version: int

    @property
    def successes(self) -> int:
        """m, the number of right answers among the G completions."""
        return sum(verdict.status == "right" for verdict in self.verdicts)
