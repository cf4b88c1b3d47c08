"""Clip-Cov and KL-Cov: the covariance of advantage and log-probability lowers entropy, and few tokens make most of it.

Source: arXiv 2505.22617 (code). Read there: (A - mean)(log pi - mean) over the tokens of a micro-batch, log pi that of
the policy as it is. Ours: over all tokens of an optimizer step, so that it does not depend on how the step is cut up,
and log pi that of the policy that sampled, as the engine computed it. See `choices`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from rlvr.algo.choices import covariance, least, part
from rlvr.algo.tokens import Sums, Tokens


@dataclass(frozen=True)
class ClipCov:
    """Some tokens with a large covariance get no gradient: drawn among those between `low` and `high`. Source: code.

    The denominator counts them. The source does not draw tokens that the surrogate's clip binds at; here they may be
    drawn, since the choice stands before any ratio does (ours).

    Attributes:
        name: The field's name for it.
        share: How many are drawn, of all tokens of the step; at least one.
        low: Smallest covariance, exclusive.
        high: Largest, exclusive.
    """

    name: str
    share: float
    low: float
    high: float

    def choose(self, advantage_M: Tensor, logp_M: Tensor, draw: Generator) -> Tensor:
        """See `Chooses`."""
        covariance_M = covariance(advantage_M, logp_M)
        between = torch.nonzero((covariance_M > self.low) & (covariance_M < self.high))[:, 0]
        drawn = torch.randperm(len(between), generator=draw)[: part(len(logp_M), self.share)]
        chosen_M = torch.zeros_like(covariance_M, dtype=torch.bool)
        chosen_M[between[drawn]] = True
        return chosen_M

    def retained(self, length_PG: Tensor, truncated_PG: Tensor) -> Tensor:
        """See `Selection`."""
        return length_PG

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """0 for the tokens that were drawn, 1 for the others."""
        chosen_BT = tokens.chosen_by(self)
        return 1 - chosen_BT, {"clip_cov/drawn": chosen_BT.sum()}

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """The share of the trained tokens that get no gradient."""
        return {"clip_cov/share": sums["clip_cov/drawn"] / max(sums["tokens"], 1.0)}


@dataclass(frozen=True)
class KLCov:
    """+ coefficient x |log rho| at the tokens with the largest covariance. Source: code.

    The coefficient is 1 in its scripts, the share 2e-3 for 7B and 2e-4 for 32B (second-hand); defaults of the code that
    we read are 1 and .1, and 2e-4.

    Its gradient is the sign of log rho: it pulls the token back to where the rollout had it. Where rho is 1 that is 0:
    in the first optimizer step on a rollout it trains nothing. (The source computes the old log-probabilities by a pass
    of their own; in its first step the sign is that of a rounding error.) The source leaves the surrogate unclipped
    at all tokens; here that is the loss's setting. The mean over all tokens of the selected problems is the source's
    denominator, too.

    Attributes:
        coefficient: Per nat.
        share: How many tokens of the step it is about; at least one.
    """

    coefficient: float
    share: float
    entropy_gradient: ClassVar[bool] = False

    def choose(self, advantage_M: Tensor, logp_M: Tensor, draw: Generator) -> Tensor:
        """See `Chooses`."""
        return least(-covariance(advantage_M, logp_M), part(len(logp_M), self.share))

    def __call__(self, tokens: Tokens) -> Tensor:
        """See `Auxiliary`."""
        return self.coefficient * (tokens.logp_BT - tokens.old_logp_BT).abs() * tokens.chosen_by(self)
