"""Advantages: what each rollout's reward is worth, relative to its group. Pure functions [P, G] -> [P, G]."""

import torch
from torch import Tensor


def group_normalised(reward_PG: Tensor, eps: float = 1e-6) -> Tensor:
    """GRPO: (r - group mean) / (group std + eps), unbiased std. Source: arXiv 2402.03300 and SELF's scripts (code).

    A group whose rewards are all equal gets exactly 0.
    """
    centred_PG = centred(reward_PG)
    return centred_PG / (reward_PG.std(dim=1, keepdim=True) + eps)


def centred(reward_PG: Tensor) -> Tensor:
    """Dr. GRPO: r - group mean, not divided by the std. Source: arXiv 2503.20783 (second-hand)."""
    same_P1 = (reward_PG == reward_PG[:, :1]).all(dim=1, keepdim=True)
    # Rounding in the mean must not give an all-equal group a tiny advantage: 0 is what spares it the forward pass.
    return (reward_PG - reward_PG.mean(dim=1, keepdim=True)).masked_fill(same_P1, 0.0)


def signed(reward_PG: Tensor, right: float, wrong: float) -> Tensor:
    """A constant for right (r > 0) and for wrong rollouts. Source: arXiv 2506.01347 (code).

    PSR is (1, 0), NSR is (0, -1), W-REINFORCE is (lambda, -1) with lambda = 0.1 in the paper.
    """
    signed_PG = torch.where(reward_PG > 0, right, wrong).to(reward_PG.dtype)
    return signed_PG.masked_fill(reward_PG.isnan(), torch.nan)  # no verdict must not pass for a wrong answer
