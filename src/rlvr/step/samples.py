"""From a rollout batch to training samples: completions with a number for each of their tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rlvr.algo import Loss
from rlvr.algo.choices import Chooses
from rlvr.ranks import Ranks
from rlvr.step.batch import RolloutBatch
from rlvr.step.choices import chosen_tokens
from rlvr.types import Completion, Problem

Stream = float | Tensor
"""A number that is the same at every token of a completion, or one for each of its T tokens."""


@dataclass(frozen=True)
class TrainingSample:
    """One completion of T tokens that goes through the policy.

    Attributes:
        problem: Where the prompt comes from.
        completion: What was sampled, with the engine's log-probabilities and the tokens that the policy wrote.
        advantage: Advantage of the tokens, masked and weighted by the filter.
        weight: What a token weighs in the surrogate, or in the loss of stored answers, the optimizer step's denominator
            included.
        auxiliary_weight: What a token weighs in auxiliary terms, likewise.
        reference_logp_T: Log-probabilities under a reference policy, where the method has one.
        stored: Whether it is an answer of the base's, stored before training.
        chosen: 1 for the tokens [T] that a term has chosen among those of the optimizer step, by the term.
    """

    problem: Problem
    completion: Completion
    advantage: Stream = 0.0
    weight: Stream = 0.0
    auxiliary_weight: Stream = 0.0
    reference_logp_T: Tensor | None = None
    stored: bool = False
    chosen: Mapping[Chooses, Tensor] = field(default_factory=dict)

    @property
    def problem_id(self) -> str:
        """Of the problem."""
        return self.problem.id

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return len(self.problem.prompt_ids)

    @property
    def completion_tokens(self) -> int:
        """T, tokens of the completion."""
        return len(self.completion.token_ids)


def training_samples(
    batch: RolloutBatch,
    loss: Loss,
    max_tokens: int,
    minibatches: int,
    ranks: Ranks,
    every_completion: bool = False,
    choosers: Sequence[Chooses] = (),
) -> list[list[TrainingSample]]:
    """This rank's samples of each optimizer step on a batch; a collective.

    The selected problems are split evenly, whichever ranks hold them. There is one denominator for an optimizer step,
    over all of its micro-batches and ranks.

    Args:
        batch: This rank's part of the batch.
        loss: Says how tokens are aggregated.
        max_tokens: The longest completion that the rollout allows.
        minibatches: Optimizer steps on the batch.
        ranks: This one among all.
        every_completion: Whether completions without advantage go through the policy, too; others are left out.
        choosers: Terms that choose tokens of a whole optimizer step.
    """
    parts = torch.tensor_split(torch.arange(batch.selected), minibatches)
    return [
        _step_samples(batch, loss, max_tokens, part, ranks, every_completion, choosers, batch.version + number)
        for number, part in enumerate(parts)
    ]


def _step_samples(
    batch: RolloutBatch,
    loss: Loss,
    max_tokens: int,
    part: Tensor,
    ranks: Ranks,
    every_completion: bool,
    choosers: Sequence[Chooses],
    version: int,
) -> list[TrainingSample]:
    index_P = torch.nonzero(torch.isin(batch.place_P, part))[:, 0]
    groups = [batch.groups[index] for index in index_P.tolist()]
    advantage_PG = batch.advantage_PG[index_P]
    lengths = [[float(one.trainable_tokens) for one in group.completions] for group in groups]
    length_PG = torch.tensor(lengths).reshape(advantage_PG.shape)
    truncated = [[one.finish == "length" for one in group.completions] for group in groups]
    truncated_PG = torch.tensor(truncated, dtype=torch.bool).reshape(advantage_PG.shape)
    scale_PG, count = loss.aggregation(advantage_PG, loss.counted(length_PG, truncated_PG), max_tokens)
    weight_PG = scale_PG / max(ranks.total(float(count)), 1.0)
    auxiliary_weight = 1 / max(ranks.total(float(length_PG.sum())), 1.0) if every_completion else 0.0
    learned_PG = torch.ones_like(advantage_PG) if every_completion else advantage_PG
    advantages, weights = advantage_PG.tolist(), weight_PG.tolist()
    place_P = batch.place_P[index_P]
    chosen = chosen_tokens(groups, place_P, advantage_PG, choosers, version, ranks) if choosers else None
    return [
        TrainingSample(
            groups[p].problem,
            groups[p].completions[g],
            advantages[p][g],
            weights[p][g],
            auxiliary_weight,
            chosen=chosen[p][g] if chosen else {},
        )
        for p, g in torch.nonzero(learned_PG).tolist()
    ]
