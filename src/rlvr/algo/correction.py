"""Correction for an engine that samples with slightly other probabilities than the trainer computes.

The rollouts come from the engine's policy mu, the gradient is taken at the trainer's pi. Weighting each token by
pi/mu makes the estimate unbiased, truncation bounds its variance. Both log-probabilities are those at sampling time,
so this is apart from the surrogate's ratio, which measures how far training has moved since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlvr.algo.tokens import Sums, Tokens

Level = Literal["token", "sequence"]
Beyond = Literal["truncate", "mask"]


@dataclass(frozen=True)
class Correction:
    """Truncated or masked importance sampling between trainer and engine.

    Source: truncation as in IMPALA's V-trace (arXiv 1802.01561), for engine mismatch second-hand (token level: the
    truncated importance sampling of several open trainers; sequence level and masking likewise).

    Attributes:
        level: One ratio a token, or one a sequence (the product over its tokens).
        cap: C, the largest weight.
        beyond: What happens to ratios above C: `truncate` to C, or `mask` to 0.
    """

    level: Level
    cap: float
    beyond: Beyond

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """Weights of the loss of each token, without gradient, and what there is to log."""
        mask_BT = tokens.mask_BT.to(tokens.old_logp_BT.dtype)
        log_ratio_BT = ((tokens.old_logp_BT - tokens.engine_logp_BT) * mask_BT).detach()
        if self.level == "sequence":
            log_ratio_BT = log_ratio_BT.sum(dim=1, keepdim=True).expand_as(log_ratio_BT)
        ratio_BT = torch.exp(log_ratio_BT)
        over_BT = ratio_BT > self.cap
        bound = self.cap if self.beyond == "truncate" else 0.0
        weight_BT = torch.where(over_BT, bound, ratio_BT)
        return weight_BT, {
            "correction/ratio": (ratio_BT * mask_BT).sum(),
            "correction/beyond": (over_BT * mask_BT).sum(),
            "correction/weight": (weight_BT * mask_BT).sum(),
            "correction/weight_squared": (weight_BT.square() * mask_BT).sum(),
        }

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Mean ratio, share above the cap, and the effective sample size, (sum w)^2 / sum w^2, as a share of tokens."""
        tokens = max(sums["tokens"], 1.0)
        spread = max(tokens * sums["correction/weight_squared"], 1e-30)
        return {
            "correction/ratio": sums["correction/ratio"] / tokens,
            "correction/clipped_share": sums["correction/beyond"] / tokens,
            "correction/effective_share": sums["correction/weight"] ** 2 / spread,
        }
