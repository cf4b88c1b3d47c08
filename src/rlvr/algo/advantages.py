"""Advantages: what each completion is worth, relative to its group.

Pure functions of all P groups of a rollout batch, whichever rank sampled them, so that one may also compare with the
batch (`batch_advantages`). They return advantage_PG. Those for Pass@k stand in `success_advantages`.
"""

import sys
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outcomes:
    """What is known of P groups of G completions. The defaults are those of answers of one token with probability 1.

    Attributes:
        reward_PG: Rewards.
        right_PG: Whether each answer is right. A reward need not say so: a wrong answer may get a part of it.
        length_PG: Tokens that the policy wrote.
        truncated_PG: Whether the token limit ended the completion.
        logp_PG: Mean log-probability of those tokens under the engine that sampled, nats.
        max_tokens: The longest completion that the rollout allows.
        standalone_logp_PG: Their mean log-probability under the policy when no prompt stands before them. It is known
            only where the shaping reads it, and only for groups whose weight is not 0.
    """

    reward_PG: Tensor
    right_PG: Tensor
    length_PG: Tensor = field(default_factory=partial(torch.ones, 1, 1))
    truncated_PG: Tensor = field(default_factory=partial(torch.zeros, 1, 1, dtype=torch.bool))
    logp_PG: Tensor = field(default_factory=partial(torch.zeros, 1, 1))
    max_tokens: int = sys.maxsize
    standalone_logp_PG: Tensor = field(default_factory=partial(torch.zeros, 1, 1))

    def of(self, chosen_P: Tensor) -> "Outcomes":
        """The outcomes of some of the groups."""

        def chosen(stream_PG: Tensor) -> Tensor:
            return stream_PG.expand_as(self.reward_PG)[chosen_P]

        return Outcomes(
            reward_PG=chosen(self.reward_PG),
            right_PG=chosen(self.right_PG),
            length_PG=chosen(self.length_PG),
            truncated_PG=chosen(self.truncated_PG),
            logp_PG=chosen(self.logp_PG),
            max_tokens=self.max_tokens,
            standalone_logp_PG=chosen(self.standalone_logp_PG),
        )


def group_normalised(outcomes: Outcomes, eps: float = 1e-6) -> Tensor:
    """GRPO: (r - group mean) / (group std + eps), unbiased std. Source: arXiv 2402.03300 and SELF's scripts (code).

    A group whose rewards are all equal gets exactly 0.
    """
    return centred(outcomes) / (outcomes.reward_PG.std(dim=1, keepdim=True) + eps)


def centred(outcomes: Outcomes) -> Tensor:
    """Dr. GRPO: r - group mean, not divided by the std. Source: arXiv 2503.20783 (second-hand)."""
    reward_PG = outcomes.reward_PG
    same_P1 = (reward_PG == reward_PG[:, :1]).all(dim=1, keepdim=True)
    # Rounding in the mean must not give an all-equal group a tiny advantage: only 0 saves its forward pass.
    return (reward_PG - reward_PG.mean(dim=1, keepdim=True)).masked_fill(same_P1, 0.0)


def signed(outcomes: Outcomes, right: float, wrong: float) -> Tensor:
    """A constant for right and for wrong answers. Source: arXiv 2506.01347 (code).

    PSR is (1, 0), NSR is (0, -1), W-REINFORCE is (lambda, -1) with lambda = 0.1 in the paper.
    """
    signed_PG = torch.where(outcomes.right_PG, right, wrong).to(outcomes.reward_PG.dtype)
    return signed_PG.masked_fill(outcomes.reward_PG.isnan(), torch.nan)  # a broken reward must not pass for an answer


def rloo(outcomes: Outcomes) -> Tensor:
    """RLOO: r - mean of the group's other rewards, which is n/(n-1) (r - group mean). Source: code."""
    n = outcomes.reward_PG.shape[1]
    return centred(outcomes) * (n / (n - 1))


def ngrpo(outcomes: Outcomes, eps: float = 1e-6) -> Tensor:
    """NGRPO: GRPO's, with one virtual reward of 1 in each group's statistics, so that a group of wrong answers learns.

    A group of right answers gets 0. Source: code; the unbiased std is ours.
    """
    reward_PG = outcomes.reward_PG
    with_virtual = torch.cat([reward_PG, torch.ones_like(reward_PG[:, :1])], dim=1)
    std_P1, mean_P1 = torch.std_mean(with_virtual, dim=1, keepdim=True)
    return (reward_PG - mean_P1) / (std_P1 + eps) * ~outcomes.right_PG.all(dim=1, keepdim=True)


def asym_re(outcomes: Outcomes, delta: float) -> Tensor:
    """AsymRE: r - (V + delta) with delta < 0, so right answers count for more. Source: arXiv 2506.20520 (abstract).

    V, the group's mean, is ours. Groups of equal rewards learn, too: they get -delta.
    """
    return centred(outcomes) - delta


def diff_smooth(outcomes: Outcomes, smoothing: float, eps: float = 1e-6) -> Tensor:
    """GRPO's with the biased std; right answers gain by being unlikely, wrong ones lose. Source: a third party's code.

    - smoothing x lbar for right answers, + smoothing x lbar for wrong ones, lbar their mean log-probability.
    """
    std_P1 = outcomes.reward_PG.std(dim=1, correction=0, keepdim=True)
    sign_PG = torch.where(outcomes.right_PG, -1.0, 1.0)
    return centred(outcomes) / (std_P1 + eps) + smoothing * (sign_PG * outcomes.logp_PG)
