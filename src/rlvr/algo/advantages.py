"""Advantages: what each completion is worth, relative to its group or to the whole batch.

Pure functions of all P groups of a rollout batch, whichever rank sampled them, so that one may also compare with the
batch. They return advantage_PG.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outcomes:
    """What the verifier said of P groups of G completions.

    Attributes:
        reward_PG: Rewards.
        right_PG: Whether each answer is right, which a reward need not say: a wrong one may be worth a part.
    """

    reward_PG: Tensor
    right_PG: Tensor


def group_normalised(outcomes: Outcomes, eps: float = 1e-6) -> Tensor:
    """GRPO: (r - group mean) / (group std + eps), unbiased std. Source: arXiv 2402.03300 and SELF's scripts (code).

    A group whose rewards are all equal gets exactly 0.
    """
    return centred(outcomes) / (outcomes.reward_PG.std(dim=1, keepdim=True) + eps)


def centred(outcomes: Outcomes) -> Tensor:
    """Dr. GRPO: r - group mean, not divided by the std. Source: arXiv 2503.20783 (second-hand)."""
    reward_PG = outcomes.reward_PG
    same_P1 = (reward_PG == reward_PG[:, :1]).all(dim=1, keepdim=True)
    # Rounding in the mean must not give an all-equal group a tiny advantage: 0 is what spares it the forward pass.
    return (reward_PG - reward_PG.mean(dim=1, keepdim=True)).masked_fill(same_P1, 0.0)


def signed(outcomes: Outcomes, right: float, wrong: float) -> Tensor:
    """A constant for right and for wrong answers. Source: arXiv 2506.01347 (code).

    PSR is (1, 0), NSR is (0, -1), W-REINFORCE is (lambda, -1) with lambda = 0.1 in the paper.
    """
    signed_PG = torch.where(outcomes.right_PG, right, wrong).to(outcomes.reward_PG.dtype)
    return signed_PG.masked_fill(outcomes.reward_PG.isnan(), torch.nan)  # a broken reward must not pass for an answer
