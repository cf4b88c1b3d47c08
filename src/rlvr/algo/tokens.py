"""What an objective sees of a micro-batch: tensors with one number for each token, [B, T]."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from rlvr.algo.choices import Chooses
from rlvr.algo.statistics import Statistic

Sums = dict[str, Tensor]
"""Sums over tokens by name, which add up over micro-batches."""


@dataclass(frozen=True)
class Tokens:
    """B completions of T tokens; everything is 0 where `mask_BT` is.

    Attributes:
        logp_BT: Log-probabilities under the policy that is trained, with gradient.
        entropy_BT: Entropies of the distributions that the tokens were drawn from, nats; with gradient where an
            auxiliary term asks for it.
        old_logp_BT: Log-probabilities under the policy that sampled, as the trainer computes them.
        engine_logp_BT: The same as the engine computed them.
        reference_logp_BT: Log-probabilities under a reference policy, where the method has one.
        advantage_BT: Advantages.
        weight_BT: What each token's surrogate weighs, or its loss as a stored answer's; the denominator of the
            optimizer step is in it.
        auxiliary_weight_BT: What each token weighs in auxiliary terms, likewise.
        mask_BT: 1 for completion tokens that the policy wrote.
        stored: How many of the B, the last ones, are stored answers; the others were just sampled.
        statistic_BT: What terms have asked for, see `statistics`.
        chosen_BT: 1 for tokens that a term has chosen, by the term, see `choices`.
    """

    logp_BT: Tensor
    entropy_BT: Tensor
    old_logp_BT: Tensor
    engine_logp_BT: Tensor
    advantage_BT: Tensor
    weight_BT: Tensor
    auxiliary_weight_BT: Tensor
    mask_BT: Tensor
    reference_logp_BT: Tensor | None = None
    stored: int = 0
    statistic_BT: Mapping[Statistic, Tensor] = field(default_factory=dict)
    chosen_BT: Mapping[Chooses, Tensor] = field(default_factory=dict)

    def fresh(self) -> "Tokens":
        """Those that were just sampled."""
        return self._rows(slice(0, len(self.mask_BT) - self.stored)) if self.stored else self

    def replayed(self) -> "Tokens":
        """Those of stored answers."""
        return self._rows(slice(len(self.mask_BT) - self.stored, None))

    def _rows(self, rows: slice) -> "Tokens":
        held = {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        statistic_BT = {statistic: value[rows] for statistic, value in self.statistic_BT.items()}
        chosen_BT = {term: value[rows] for term, value in self.chosen_BT.items()}
        return replace(self, stored=0, statistic_BT=statistic_BT, chosen_BT=chosen_BT, **held)

    def chosen_by(self, term: Chooses) -> Tensor:
        """1 for the tokens that the term has chosen [B, T]; where no row comes from a rollout, none."""
        return self.chosen_BT.get(term, torch.zeros_like(self.logp_BT))


class TokenWeight(Protocol):
    """Factors of the tokens' surrogates."""

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """A factor for each token [B, T], without gradient, and sums for `metrics`."""

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """What there is to log of a step, by stable names, from the sums of all its micro-batches."""
