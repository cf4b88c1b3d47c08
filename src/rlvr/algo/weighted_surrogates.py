"""Surrogates whose ratio is a weight of log pi and has no gradient: clipping may bound a token and keep its gradient.

For the signature, and for where all of them agree, see `surrogates`. Only their gradients have a meaning, not their
values.
"""

import torch
from torch import Tensor

from rlvr.algo.surrogates import ppo_clip


def cispo(
    logp_BT: Tensor,
    old_logp_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    clip_low: float | None,
    clip_high: float,
) -> tuple[Tensor, Tensor]:
    """CISPO: -sg(clip(rho, 1-low, 1+high)) A log pi. Source: arXiv 2506.13585 (code of others).

    Args:
        logp_BT: Log-probabilities under the policy being trained.
        old_logp_BT: The same under the policy that sampled.
        advantage_BT: Advantages.
        mask_BT: 1 for completion tokens.
        clip_low: Lower clip width. None: no bound (the paper's).
        clip_high: Upper clip width.
    """
    ratio_BT = torch.exp(logp_BT - old_logp_BT).detach()
    weight_BT = ratio_BT.clamp(None if clip_low is None else 1 - clip_low, 1 + clip_high)
    return -weight_BT * advantage_BT * logp_BT * mask_BT, (weight_BT != ratio_BT) & mask_BT.bool()


def topr(logp_BT: Tensor, old_logp_BT: Tensor, advantage_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
    """TOPR: A > 0: -A log pi; A < 0: -sg(clip(rho, 0, 1)) A log pi, here token by token. Source: code."""
    ratio_BT = torch.exp(logp_BT - old_logp_BT).detach()
    tapered_BT = advantage_BT < 0
    weight_BT = torch.where(tapered_BT, ratio_BT.clamp(max=1.0), 1.0)
    return -weight_BT * advantage_BT * logp_BT * mask_BT, tapered_BT & (ratio_BT > 1) & mask_BT.bool()


def aspo(
    logp_BT: Tensor,
    old_logp_BT: Tensor,
    advantage_BT: Tensor,
    mask_BT: Tensor,
    clip_low: float,
    clip_high: float,
    cap: float,
) -> tuple[Tensor, Tensor]:
    """ASPO: for A > 0 the ratio is inverted, so that tokens that have become unlikelier are raised most. Source: code.

    A > 0: -sg(min(1 / rho, cap)) A log pi, nothing where rho > 1+high. A < 0: PPO with its lower clip and with `cap` as
    dual clip.

    Args:
        logp_BT: Log-probabilities under the policy being trained.
        old_logp_BT: The same under the policy that sampled.
        advantage_BT: Advantages.
        mask_BT: 1 for completion tokens.
        clip_low: Lower clip width, for A < 0.
        clip_high: Upper clip width, for A > 0.
        cap: The largest weight of either sign (released code: 3).
    """
    ratio_BT = torch.exp(logp_BT - old_logp_BT).detach()
    weight_BT = (1 / ratio_BT).clamp(max=cap).masked_fill(ratio_BT > 1 + clip_high, 0.0)
    raised_BT = -weight_BT * advantage_BT * logp_BT * mask_BT
    bounded_BT = ((ratio_BT > 1 + clip_high) | (1 / ratio_BT > cap)) & mask_BT.bool()
    lowered_BT, clipped_BT = ppo_clip(logp_BT, old_logp_BT, advantage_BT, mask_BT, clip_low, clip_high, cap)
    up_BT = advantage_BT > 0
    return torch.where(up_BT, raised_BT, lowered_BT), torch.where(up_BT, bounded_BT, clipped_BT)
