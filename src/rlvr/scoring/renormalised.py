"""Statistics of a distribution from which unlikely tokens were left out, for a chunk of C tokens."""

import torch
from torch import Tensor

from rlvr.algo.statistics import NucleusEntropy, Statistic

# Stands for log 0 where an entropy has a gradient: its exp is 0 in fp32 and in fp64, and 0 x -inf would be nan.
LOG_ZERO = -1000.0


def floor_of(statistic: Statistic, logp_CV: Tensor) -> Tensor:
    """Log-probability below which tokens are left out [C]."""
    if isinstance(statistic, NucleusEntropy):
        ordered_CV = logp_CV.sort(dim=-1, descending=True).values
        before_C1 = (ordered_CV.exp().cumsum(dim=-1) < statistic.top_p).sum(dim=-1, keepdim=True)
        last_C1 = before_C1.clamp_(max=logp_CV.shape[-1] - 1)  # all of it, where rounding leaves the sum below
        return ordered_CV.gather(1, last_C1)[:, 0]
    floor_C: Tensor = logp_CV.amax(dim=-1) + torch.tensor(statistic.min_p).log().item()
    return floor_C


def value_of(statistic: Statistic, logp_CV: Tensor, token_C: Tensor, floor_C: Tensor) -> Tensor:
    """The statistic itself [C]."""
    left_CV = _renormalised(logp_CV, floor_C)
    if isinstance(statistic, NucleusEntropy):
        return -torch.linalg.vecdot(left_CV.exp(), left_CV)
    logp_C = logp_CV.gather(1, token_C[:, None])[:, 0]
    return left_CV.gather(1, token_C[:, None])[:, 0].masked_fill(logp_C < floor_C, -torch.inf)


def slope_of(entropy_C: Tensor, logp_CV: Tensor, floor_C: Tensor) -> Tensor:
    """D nucleus entropy / d logits [C, V]: -q (log q + entropy), where q is 0 for what was left out."""
    left_CV = _renormalised(logp_CV, floor_C)
    return left_CV.exp().mul_(left_CV.add_(entropy_C[:, None])).neg_()


def _renormalised(logp_CV: Tensor, floor_C: Tensor) -> Tensor:
    left_CV = logp_CV.masked_fill(logp_CV < floor_C[:, None], LOG_ZERO)
    return left_CV.sub_(left_CV.logsumexp(dim=-1, keepdim=True))
