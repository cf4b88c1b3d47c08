"""Lp-Reg: keeps unlikely tokens of wrong answers from being pushed away, unless the policy takes them for noise."""

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

    The proxy is the old policy without tokens below `min_p` times the likeliest one's probability, normalised again.
    A token is pulled up to its proxy only where it is less likely than that, so never where the proxy leaves it out.
    k3 = exp(d) - d - 1 with d = log proxy - log pi, at most 10, whose gradient is 1 - exp(d) < 0, on-policy as well.

    Ours: the share is taken of the optimizer step's tokens, by the engine's log-probabilities (see `choices`), and is
    at least one token. In the source it is taken of a micro-batch's tokens, by the current policy, and is no token
    where it would be fewer than two. There the surrogate is not clipped at these tokens; here that is up to the loss.

    Attributes:
        coefficient: Per nat.
        share: The share that is chosen of the step's tokens with a negative advantage.
        min_p: The share of the likeliest token's probability below which the proxy takes a token for noise.
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
