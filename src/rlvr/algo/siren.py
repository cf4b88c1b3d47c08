"""SIREN: the entropy of the tokens that matter is kept at its first value; it may neither fall nor rise."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from rlvr.algo.statistics import NucleusEntropy, Statistic
from rlvr.algo.tokens import Tokens


class SIREN:
    """+ coefficient x (H - H_0)^2. Source: arXiv 2509.25133 (code, as run there).

    H is the mean entropy inside the nucleus, over those tokens of a completion whose entropy is above its quantile in
    this completion. H_0 is H before the first update. The term pulls H down as well as up.

    Ours: each completion has its own H, and the term stands at each of its tokens, so that long completions weigh more.
    In the source H is the mean over a micro-batch, which holds two or three completions of full length, so that a step
    depends on how it is cut up. Our H_0 is that of the first optimizer step, in which the term is 0; in the source it
    is that of the first rollout. Our nucleus is the usual one; in the source it is taken of the 10,000 likeliest
    tokens, without the token that fills it.

    Args:
        coefficient: Per square nat.
        top_p: Probability that the nucleus holds.
        quantile: The quantile of a completion's nucleus entropies above which a token counts.
    """

    entropy_gradient: ClassVar[bool] = False

    def __init__(self, coefficient: float, top_p: float, quantile: float) -> None:
        self.coefficient, self.quantile = coefficient, quantile
        self.entropy = NucleusEntropy(top_p)
        self.anchor: float | None = None
        self._sums: Tensor | None = None

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """See `NeedsStatistics`."""
        return (self.entropy,)

    def __call__(self, tokens: Tokens) -> Tensor:
        """See `Auxiliary`."""
        written_BT, inside_BT = tokens.mask_BT.bool(), tokens.statistic_BT[self.entropy]
        known_BT = inside_BT.detach().masked_fill(~written_BT, torch.nan)
        peak_BT = known_BT > known_BT.nanquantile(self.quantile, dim=1, keepdim=True)
        count_B1 = peak_BT.sum(dim=1, keepdim=True)
        mean_B1 = (inside_BT * peak_BT).sum(dim=1, keepdim=True) / count_B1.clamp(min=1)
        # A completion whose entropies are all equal has no token above the quantile.
        counts_BT = written_BT & (count_B1 > 0)
        if self.anchor is None:
            seen = torch.stack([(mean_B1.detach() * counts_BT).sum(), counts_BT.sum()])
            self._sums = seen if self._sums is None else self._sums + seen
            return torch.zeros_like(inside_BT)
        return self.coefficient * (mean_B1 - self.anchor).square() * counts_BT

    def after_step(self, total: Callable[[float], float]) -> None:
        """See `Remembers`."""
        if self.anchor is not None:
            return
        entropy, count = map(total, (0.0, 0.0) if self._sums is None else self._sums.tolist())
        self._sums = None
        if count:
            self.anchor = entropy / count

    def state_dict(self) -> dict[str, Any]:
        """H_0, once it is known."""
        return {"anchor": self.anchor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the H_0 of the run's first step."""
        self.anchor = state["anchor"]
