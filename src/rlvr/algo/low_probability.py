"""Lp-Reg: unlikely tokens of wrong answers are not pushed away where the policy does not take them for noise."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from rlvr.algo.choices import least, part
from rlvr.algo.statistics import MinPLogp, Statistic
from rlvr.algo.tokens import Tokens


@dataclass(frozen=True)
class LpReg:
    """+ coefficient x k3 to a proxy, at the least likely tokens with a negative advantage. Source: arXiv 2510.03222
    (code, as run there).

    The proxy is the old policy without tokens below `min_p` times the likeliest one's probability, brought to 1 again.
    Only tokens that are less likely than their proxy are pulled up to it, so none that it leaves out. k3 = exp(d) - d
    - 1 with d = log proxy - log pi, at most 10, whose gradient is 1 - exp(d) < 0, on-policy as well.

    Ours: the share is of the optimizer step's tokens by the engine's log-probabilities, see `choices`, and is at least
    one token; there of a micro-batch's by the policy as it is, and none where it is fewer than two. There the surrogate
    is not clipped at these tokens; here clipping is the loss's setting.

    Attributes:
        coefficient: Per nat.
        share: Of the step's tokens with a negative advantage.
        min_p: Of the likeliest token's probability, below which the proxy takes a token for noise.
    """

    coefficient: float
    share: float
    min_p: float
    entropy_gradient: ClassVar[bool] = False

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """See `NeedsStatistics`."""
        return (MinPLogp(self.min_p),)

    def choose(self, advantage_M: Tensor, logp_M: Tensor, draw: Generator) -> Tensor:
        """See `Chooses`."""
        negative_M = advantage_M < 0
        chosen_M = torch.zeros_like(negative_M)
        chosen_M[negative_M] = least(logp_M[negative_M], part(int(negative_M.sum()), self.share))
        return chosen_M

    def __call__(self, tokens: Tokens) -> Tensor:
        """See `Auxiliary`."""
        proxy_BT = tokens.statistic_BT[MinPLogp(self.min_p)]
        pulled_BT = tokens.chosen_by(self).bool() & (tokens.logp_BT.detach() < proxy_BT)
        # Only these tokens, since a token that the proxy leaves out is infinitely far from it.
        further_BT = torch.where(pulled_BT, proxy_BT - tokens.logp_BT, 0.0)
        return self.coefficient * (further_BT.exp() - further_BT - 1).clamp(max=10)
