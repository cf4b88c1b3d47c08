"""Surrogates: the differentiable objective of a token or sequence, given its advantage. Lower is better.

Every surrogate maps (logp_BT, old_logp_BT, advantage_BT, mask_BT) to a loss_BT and a clipped_BT (1 where
clipping took the gradient away, or bounded it). Those whose ratio is a mere weight, without gradient, stand in
`weighted_surrogates`. Where the policy has not moved since sampling, the ratio is 1 and all of them
have the policy gradient -A * grad log pi.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Surrogate = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def reinforce(logp_BT: Tensor, old_logp_BT: Tensor, advantage_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """REINFORCE: -A log pi, whoever sampled. Source: well known; AsymRE (arXiv 2506.20520, abstract)."""
    return -advantage_BT * logp_BT * mask_BT, torch.zeros_like(mask_BT, dtype=torch.bool)


def unclipped(logp_BT: Tensor, old_logp_BT: Tensor, advantage_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """-A rho, however large. Source: KL-Cov, arXiv 2505.22617 (code)."""
    ratio_BT = torch.exp(logp_BT - old_logp_BT)
    return -advantage_BT * ratio_BT * mask_BT, torch.zeros_like(mask_BT, dtype=torch.bool)


def ppo_clip(
    logp_BT: Tensor,
    old_logp_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> tuple[Tensor, Tensor]:
    """PPO's clip per token: max(-A rho, -A clip(rho, 1-low, 1+high)). Source: arXiv 1707.06347; SELF and NSR (code).

    Args:
        logp_BT: Log-probabilities under the policy being trained.
        old_logp_BT: The same under the policy that sampled.
        advantage_BT: The advantage of each token; most methods give a sequence one.
        mask_BT: 1 for completion tokens.
        clip_low: Lower clip width.
        clip_high: Upper clip width.
        dual_clip: For A < 0, bounds the loss by -A times this (SELF's code: 3). None: no bound (NSR's code).
    """
    ratio_BT = torch.exp(logp_BT - old_logp_BT)
    loss_BT, clipped_BT = _clipped(ratio_BT, advantage_BT, clip_low, clip_high)
    if dual_clip is not None:
        bound_BT = -advantage_BT * dual_clip
        over_BT = (advantage_BT < 0) & (loss_BT > bound_BT)
        loss_BT = torch.where(over_BT, bound_BT, loss_BT)
        clipped_BT = clipped_BT | over_BT
    return loss_BT * mask_BT, clipped_BT & mask_BT.bool()


def gspo_clip(
    logp_BT: Tensor,
    old_logp_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    clip_low: float,
    clip_high: float,
) -> tuple[Tensor, Tensor]:
    """GSPO: one ratio a sequence, exp(mean over tokens of log rho), clipped as in PPO. Source: arXiv 2507.18071 (docs).

    The sequence's loss stands at each of its tokens, so that `sequence_mean` of token means returns it.
    """
    lengths_B1 = mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
    log_ratio_B1 = ((logp_BT - old_logp_BT) * mask_BT).sum(dim=1, keepdim=True) / lengths_B1
    loss_BT, clipped_BT = _clipped(torch.exp(log_ratio_B1), advantage_BT, clip_low, clip_high)
    return loss_BT * mask_BT, clipped_BT & mask_BT.bool()


def gmpo(
    logp_BT: Tensor, old_logp_BT: Tensor, advantage_BT: Tensor, mask_BT: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """GMPO: the geometric mean of a sequence's ratios, each clipped by itself as in PPO. Source: code.

    exp(mean over tokens of sgn min(sgn d, sgn clamp(d, -clip, clip))) with d = log rho and sgn the advantage's sign. As
    with GSPO the sequence's loss stands at each of its tokens.

    Args:
        logp_BT: Log-probabilities under the policy being trained.
        old_logp_BT: The same under the policy that sampled.
        advantage_BT: Advantages.
        mask_BT: 1 for completion tokens.
        clip: A token's log ratio may move by this much (released code: 0.4).
    """
    lengths_B1 = mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
    log_ratio_BT = (logp_BT - old_logp_BT) * mask_BT
    sign_BT = advantage_BT.sign()
    plain_BT, bounded_BT = sign_BT * log_ratio_BT, sign_BT * log_ratio_BT.clamp(-clip, clip)
    mean_B1 = (sign_BT * torch.minimum(plain_BT, bounded_BT)).sum(dim=1, keepdim=True) / lengths_B1
    return -advantage_BT * mean_B1.exp() * mask_BT, plain_BT > bounded_BT


def nft(logp_BT: Tensor, old_logp_BT: Tensor, advantage_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """NFT: likelihood of right answers; of wrong ones, under the old policy less the new one's part of it.

    Right: -(1-q) log rho; wrong: -(1-q) log max((1 - q rho) / (1-q), 1), whose gradient passes the maximum
    (straight-through). Source: arXiv 2505.18116 (code).

    Args:
        logp_BT: Log-probabilities under the policy being trained.
        old_logp_BT: The same under the policy that sampled.
        advantage_BT: The advantage of this name, unweighted: 1 - q or -q, q the group's success rate.
        mask_BT: 1 for completion tokens.
    """
    log_ratio_BT = logp_BT - old_logp_BT
    rate_BT = (-advantage_BT).clamp(min=0)
    left_BT = (1 - rate_BT * log_ratio_BT.exp()) / (1 - rate_BT)
    passed_BT = left_BT + (left_BT.clamp(min=1) - left_BT).detach()
    right_BT = advantage_BT > 0
    loss_BT = torch.where(right_BT, -advantage_BT * log_ratio_BT, -(1 - rate_BT) * passed_BT.log())
    return loss_BT * mask_BT, (left_BT < 1) & (advantage_BT < 0) & mask_BT.bool()


def _clipped(ratio: Tensor, advantage: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    plain = -advantage * ratio
    clipped = -advantage * ratio.clamp(1 - low, 1 + high)
    return torch.maximum(plain, clipped), clipped > plain
