"""Reward shaping: what a reward becomes before the advantage compares it. What counts as right stays the verdict."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes


class Shaping(Protocol):
    """Other rewards for the selected groups of all ranks."""

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """Rewards [P, G]."""


@runtime_checkable
class ReadsStandalone(Protocol):
    """A shaping that looks at `Outcomes.standalone_logp_PG`, which costs a forward pass over every completion."""

    reads_standalone: ClassVar[bool]


@dataclass(frozen=True)
class Overlong:
    """DAPO: answers that come near the length limit lose. Source: arXiv 2503.14476 (code).

    + penalty x min(-(length - (max - buffer)) / buffer, 0): nothing up to the buffer, -penalty at the limit.

    Attributes:
        name: The field's name for it.
        buffer: Part of the length limit over which the penalty grows; DAPO's is 4,096 of 20,480 tokens.
        penalty: At the limit.
    """

    name: str
    buffer: float
    penalty: float

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Shaping`."""
        buffer = self.buffer * outcomes.max_tokens
        into_PG = outcomes.length_PG - (outcomes.max_tokens - buffer)
        return outcomes.reward_PG - self.penalty * (into_PG / buffer).clamp(min=0)


@dataclass(frozen=True)
class LengthPenalty:
    """Right answers lose coefficient x length / max. Source: well known.

    Attributes:
        name: The field's name for it.
        coefficient: What a right answer as long as the limit allows loses.
    """

    name: str
    coefficient: float

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Shaping`."""
        share_PG = outcomes.length_PG / outcomes.max_tokens
        return outcomes.reward_PG - self.coefficient * share_PG * outcomes.right_PG


@dataclass(frozen=True)
class Unlikeliness:
    """Right answers are worth less the likelier they are in their group. Source: arXiv 2506.02355 (code).

    r (1 - beta rank / n), the likeliest of n answers having rank n. That equally likely ones share the higher rank, and
    that answers are ranked by the probability of the whole, is ours.

    Attributes:
        name: The field's name for it.
        beta: What the likeliest answer loses.
    """

    name: str
    beta: float

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Shaping`."""
        reward_PG = outcomes.reward_PG
        logp_PG = (outcomes.logp_PG * outcomes.length_PG).expand_as(reward_PG)
        rank_PG = (logp_PG[:, None, :] <= logp_PG[:, :, None]).sum(dim=2)
        shaped_PG = reward_PG * (1 - self.beta * rank_PG / reward_PG.shape[1])
        return torch.where(outcomes.right_PG, shaped_PG, reward_PG)


@dataclass(frozen=True)
class GRPOLambda:
    """A length penalty only for the groups with the most right answers. Source: arXiv 2505.18086 (second-hand).

    The penalty itself, and that groups as good as the last one of the share are in it, is ours.

    Attributes:
        name: The field's name for it.
        share: Lambda, part of the selected groups that are penalised.
        coefficient: What a right answer as long as the limit allows loses.
    """

    name: str
    share: float
    coefficient: float

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Shaping`."""
        success_P = outcomes.right_PG.sum(dim=1)
        last = success_P.sort(descending=True).values[ceil(self.share * len(success_P)) - 1]
        penalised_PG = LengthPenalty(self.name, self.coefficient)(outcomes)
        return torch.where((success_P >= last)[:, None], penalised_PG, outcomes.reward_PG)


@dataclass(frozen=True)
class SelfAligned:
    """SAR: an answer gains by being likelier after its question than without it. Source: arXiv 2509.05489 (code).

    + coefficient x max((alone - after) / alone, -1), each a perplexity: exp of minus the mean log-probability of the
    answer's tokens, after the question or without it. Right and wrong answers alike.

    Ours: the end-of-text token stands where the question was, so that the first token has a probability, too; after the
    question it is the engine's log-probabilities that count.

    Attributes:
        name: The field's name for it.
        coefficient: What an answer gains that is impossible without its question.
    """

    reads_standalone: ClassVar[bool] = True

    name: str
    coefficient: float

    def __call__(self, outcomes: Outcomes) -> Tensor:
        """See `Shaping`."""
        # (alone - after) / alone = 1 - exp(lbar_alone - lbar_after), so that no large perplexity is computed.
        gain_PG = 1 - torch.exp(outcomes.standalone_logp_PG - outcomes.logp_PG)
        return outcomes.reward_PG + self.coefficient * gain_PG.clamp(min=-1)
