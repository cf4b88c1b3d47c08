"""Aggregations: how the losses of an optimizer step's tokens become one number.

Each takes the advantages [P, G] after masking (0 means no gradient), the completions' lengths [P, G] in tokens that are
learned from and the rollout's limit on them, and returns `scale_PG`, the numerator weight of one token of each
completion, and the denominator's count. The caller sums the count over everything that belongs to the optimizer step
(micro-batches, ranks) and divides once.

Denominators are counted over *live* groups, those in which at least one completion has an advantage other than 0,
or over *nonzero* completions, those whose own advantage is not 0. Neither count holds a group without
gradient: the result is the same without it. The count over *all* holds such groups, too, as in SELF's and DAPO's
released code: the more groups of a step teach nothing, the smaller the step is. A completion without a token that is
learned from counts nowhere.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Scope = Literal["live", "nonzero", "all"]
Aggregation = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


def token_mean(advantage_PG: Tensor, length_PG: Tensor, max_tokens: int, over: Scope) -> tuple[Tensor, Tensor]:
    """Every token weighs the same; denominator: tokens of what `over` says."""
    return torch.ones_like(advantage_PG), (length_PG * _scope(advantage_PG, over)).sum()


def sequence_mean(advantage_PG: Tensor, length_PG: Tensor, max_tokens: int, over: Scope) -> tuple[Tensor, Tensor]:
    """Mean over sequences of each one's token mean (original GRPO, GSPO); denominator: sequences."""
    return 1.0 / length_PG.clamp(min=1), _sequences(advantage_PG, length_PG, over)


def constant_length(advantage_PG: Tensor, length_PG: Tensor, max_tokens: int, over: Scope) -> tuple[Tensor, Tensor]:
    """Dr. GRPO: token sums over (sequences * max_tokens), so long answers are not favoured. Source: arXiv 2503.20783
    (code); which sequences the denominator counts is ours."""
    return torch.full_like(advantage_PG, 1.0 / max_tokens), _sequences(advantage_PG, length_PG, over)


def _sequences(advantage_PG: Tensor, length_PG: Tensor, over: Scope) -> Tensor:
    return (_scope(advantage_PG, over) * (length_PG > 0)).sum()


def _scope(advantage_PG: Tensor, over: Scope) -> Tensor:
    if over == "all":
        return torch.ones_like(advantage_PG)
    nonzero_PG = advantage_PG != 0
    if over == "live":
        nonzero_PG = nonzero_PG.any(dim=1, keepdim=True).expand_as(nonzero_PG)
    return nonzero_PG.to(advantage_PG.dtype)
