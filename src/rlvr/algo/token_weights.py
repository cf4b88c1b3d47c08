"""Which tokens are learned from, and whether the denominator counts the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rlvr.algo.tokens import Sums, Tokens, TokenWeight


class Selection(TokenWeight, Protocol):
    """A factor of the tokens' surrogates that says beforehand how many tokens it leaves."""

    def retained(self, length_PG: Tensor, truncated_PG: Tensor) -> Tensor:
        """Tokens of each completion that the denominator counts [P, G]; a completion with 0 of them teaches nothing.

        Args:
            length_PG: Tokens that the policy wrote.
            truncated_PG: Whether the token limit ended the completion.
        """


@dataclass(frozen=True)
class HighEntropy:
    """Only the tokens at which the policy is least decided. Source: arXiv 2506.01939 (code).

    The denominator counts those alone. The released code takes the share of a micro-batch; here it is taken of each
    completion, rounded up, so that a step does not depend on how it is cut up (ours).

    Attributes:
        name: The field's name for it.
        share: Of each completion's tokens.
    """

    name: str
    share: float

    def retained(self, length_PG: Tensor, truncated_PG: Tensor) -> Tensor:
        """See `Selection`."""
        return self._most(length_PG)

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """1 for retained tokens, 0 for the others; of equal entropies the first ones stay."""
        written_BT = tokens.mask_BT.bool()
        entropy_BT = tokens.entropy_BT.detach().masked_fill(~written_BT, -torch.inf)
        rank_BT = entropy_BT.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        length_B1 = written_BT.sum(dim=1, keepdim=True)
        return (rank_BT < self._most(length_B1)).to(tokens.logp_BT.dtype), {}

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """None: the share is what was asked for."""
        return {}

    def _most(self, length: Tensor) -> Tensor:
        # Less a little, since .07 x 100 is more than 7 in floating point.
        return torch.ceil(length.double() * self.share - 1e-6).to(length.dtype)


@dataclass(frozen=True)
class MaskTruncated:
    """Completions that the token limit ended teach nothing and count nowhere. Source: DAPO, arXiv 2503.14476 (code).

    They stay in their group's statistics.

    Attributes:
        name: The field's name for it.
    """

    name: str

    def retained(self, length_PG: Tensor, truncated_PG: Tensor) -> Tensor:
        """See `Selection`."""
        return length_PG.masked_fill(truncated_PG, 0)

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """1: a truncated completion has no advantage already."""
        return torch.ones_like(tokens.logp_BT), {}

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """None: `rollout/truncated_share` says it."""
        return {}
