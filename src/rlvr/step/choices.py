"""Which tokens of an optimizer step are chosen by the terms that look at all of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rlvr.algo.choices import Chooses
from rlvr.ranks import Ranks
from rlvr.types import Completion, Group


def chosen_tokens(
    groups: Sequence[Group],
    place_P: Tensor,
    advantage_PG: Tensor,
    choosers: Sequence[Chooses],
    version: int,
    ranks: Ranks,
) -> list[list[dict[Chooses, Tensor]]]:
    """For each of this rank's groups and completions, by term, 1 for the tokens that it chose [T]; a collective.

    Every rank is told all tokens' numbers, in the order in which the problems were drawn, and chooses for itself.

    Args:
        groups: This rank's, of the optimizer step.
        place_P: Place of each among those of all ranks.
        advantage_PG: Advantages.
        choosers: The terms.
        version: The policy's before the step; seeds what is drawn.
        ranks: This one among all.
    """
    mine = [
        (place, _numbers(group, advantage_G))
        for place, group, advantage_G in zip(place_P.tolist(), groups, advantage_PG, strict=True)
    ]
    every = sorted(ranks.all_gather(mine), key=lambda one: one[0])
    advantage_M, logp_M = torch.cat([torch.empty(2, 0), *(numbers_2M for _, numbers_2M in every)], dim=1)
    sizes = [numbers_2M.shape[1] for _, numbers_2M in every]
    chosen: list[list[dict[Chooses, Tensor]]] = [[{} for _ in group.completions] for group in groups]
    for term in choosers:
        chosen_M = term.choose(advantage_M, logp_M, torch.Generator().manual_seed(version))
        by_place = dict(zip((place for place, _ in every), torch.split(chosen_M.float(), sizes), strict=True))
        for place, group, of_group in zip(place_P.tolist(), groups, chosen, strict=True):
            parts = torch.split(by_place[place], [one.trainable_tokens for one in group.completions])
            for completion, part_M, of_one in zip(group.completions, parts, of_group, strict=True):
                written_T = _written(completion)
                of_one[term] = torch.zeros(len(written_T)).masked_scatter(written_T, part_M)
    return chosen


def _numbers(group: Group, advantage_G: Tensor) -> Tensor:
    """Advantages and log-probabilities [2, M] of the tokens that the policy wrote."""
    written = [_written(one) for one in group.completions]
    logp_M = torch.cat(
        [torch.tensor(one.logps)[places] for one, places in zip(group.completions, written, strict=True)]
    )
    advantage_M = advantage_G.repeat_interleave(torch.tensor([int(places.sum()) for places in written]))
    return torch.stack([advantage_M, logp_M])


def _written(completion: Completion) -> Tensor:
    if completion.trainable is None:
        return torch.ones(len(completion.token_ids), dtype=torch.bool)
    return torch.tensor(completion.trainable, dtype=torch.bool)
