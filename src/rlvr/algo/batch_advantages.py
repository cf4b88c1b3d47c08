"""Advantages that compare with the whole batch: the selected groups of all ranks."""

from torch import Tensor

from rlvr.algo.advantages import Outcomes, centred


def reinforce_pp(outcomes: Outcomes, eps: float = 1e-8) -> Tensor:
    """REINFORCE++ with a group baseline: r - group mean, whitened over the batch's tokens. Source: code.

    Each completion counts as often as it has tokens, the variance is unbiased and eps is added to it. The batch's mean
    is taken off, too, so that a group of equal rewards learns a little.
    """
    centred_PG = centred(outcomes)
    length_PG = outcomes.length_PG.expand_as(centred_PG)
    tokens = length_PG.sum()
    shifted_PG = centred_PG - (centred_PG * length_PG).sum() / tokens.clamp(min=1)
    variance = (shifted_PG.square() * length_PG).sum() / (tokens - 1).clamp(min=1)
    return shifted_PG / (variance + eps).sqrt()


def lite_ppo(outcomes: Outcomes, eps: float = 1e-6) -> Tensor:
    """Lite PPO: (r - group mean) / (std of the batch's rewards + eps). Source: arXiv 2508.08221 (docs).

    The unbiased std is ours.
    """
    return centred(outcomes) / (outcomes.reward_PG.flatten().std() + eps)
