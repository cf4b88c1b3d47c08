"""Advantages that follow from how many of a group's answers are right, of Pass@k or of the likelihood of a right one.

What is right is the verdict's status, whatever reward an answer got.
"""

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes, centred


def passk(outcomes: Outcomes, k: int, eps: float = 1e-6) -> Tensor:
    """Pass@k training: rewards of all sets of k rollouts, normalised, in closed form. Source: arXiv 2508.10751 (code).

    With R = 1 - C(n-m, k) / C(n, k) and s = sqrt(R (1-R)) right answers get (1-R) / (s + eps) and wrong ones
    (1 - R - C(n-m-1, k-1) / C(n-1, k-1)) / (s + eps); all 0 where m = 0 or n - m < k.
    """
    n = outcomes.right_PG.shape[1]
    wrong_P1 = (~outcomes.right_PG).sum(dim=1, keepdim=True)
    missed_P1 = _all_wrong(wrong_P1, n, k)
    std_P1 = ((1 - missed_P1) * missed_P1).sqrt() + eps
    of_wrong_P1 = missed_P1 - _all_wrong(wrong_P1 - 1, n - 1, k - 1)
    return _like(outcomes, torch.where(outcomes.right_PG, missed_P1, of_wrong_P1) / std_P1)


def pkpo(outcomes: Outcomes, k: int) -> Tensor:
    """PKPO: a right answer is worth the chance s that k-1 others are wrong, less the others' mean.

    s = r C(n-m, k-1) / C(n-1, k-1), A = (n s - sum of s) / (n-1). Source: arXiv 2505.15201 (code of a third party).
    """
    n = outcomes.right_PG.shape[1]
    wrong_P1 = (~outcomes.right_PG).sum(dim=1, keepdim=True)
    worth_PG = outcomes.right_PG * _all_wrong(wrong_P1, n - 1, k - 1)
    return _like(outcomes, (n * worth_PG - worth_PG.sum(dim=1, keepdim=True)) / (n - 1))


def maxrl(outcomes: Outcomes, eps: float = 1e-6) -> Tensor:
    """MaxRL: (r - group mean) / (p + eps), the gradient of log p; 0 where m = 0. Source: arXiv 2602.02710 (code).

    p is the share of right answers also where rewards are not 0 and 1 (ours).
    """
    rate_P1 = outcomes.right_PG.to(outcomes.reward_PG.dtype).mean(dim=1, keepdim=True)
    return centred(outcomes) / (rate_P1 + eps) * (rate_P1 > 0)


def nft(outcomes: Outcomes, floor: float) -> Tensor:
    """NFT: 1 - q for right answers, -q for wrong ones, q the success rate. Source: arXiv 2505.18116 (code).

    So the surrogate of this name reads q off it. Groups of equal answers learn a little.

    Args:
        outcomes: What is known of the groups.
        floor: q is at least this, and at most 1 less this (released code: .02).
    """
    rate_P1 = outcomes.right_PG.to(outcomes.reward_PG.dtype).mean(dim=1, keepdim=True).clamp(floor, 1 - floor)
    return _like(outcomes, torch.where(outcomes.right_PG, 1 - rate_P1, -rate_P1))


def _all_wrong(wrong_P1: Tensor, n: int, k: int) -> Tensor:
    """Chance that k of n answers are among the wrong ones, C(wrong, k) / C(n, k), in float64."""
    drawn_K = torch.arange(k, dtype=torch.float64)
    return ((wrong_P1 - drawn_K).clamp(min=0) / (n - drawn_K)).prod(dim=1, keepdim=True)


def _like(outcomes: Outcomes, advantage_PG: Tensor) -> Tensor:
    """In the rewards' precision; a broken reward must not pass for an answer."""
    reward_PG = outcomes.reward_PG
    return advantage_PG.to(reward_PG.dtype).masked_fill(reward_PG.isnan(), torch.nan)
