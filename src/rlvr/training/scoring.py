"""Log-probabilities of given completions under the present policy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rlvr.ranks import Ranks
from rlvr.rollout import evaluating
from rlvr.scoring.dealing import deal, micro_batches, pieces_of
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample
from rlvr.types import Group


class Scored(NamedTuple):
    """A policy's values at the T trained tokens of a sample.

    Attributes:
        logp_T: Log-probabilities, nats.
        entropy_T: Entropies of the distributions that the tokens were drawn from, nats.
    """

    logp_T: Tensor
    entropy_T: Tensor


def score_samples(trainer: Any, module: Any, samples: Sequence[TrainingSample], budget: int) -> list[Tensor]:
    """Log-probabilities [T], nats, of each sample's trained tokens under the present policy, as by `scored_under`."""
    with evaluating(module.policy):
        scored = scored_under(module.policy, trainer, module, samples, budget, module.temperature)
    return [one.logp_T for one in scored]


def scored_under(
    policy: Any, trainer: Any, module: Any, samples: Sequence[TrainingSample], budget: int, temperature: float
) -> list[Scored]:
    """A policy's values for each sample, without gradient: a collective.

    Each rank has its own samples, but all make the same number of forward passes, which under ZeRO-3 are collectives.

    Args:
        policy: The one that is trained, or the reference; without dropout.
        trainer: Lightning's, whose precision is used.
        module: The LightningModule that holds the policy.
        samples: Of this rank.
        budget: Packed tokens that go through the policy at a time.
        temperature: What the logits are divided by.
    """
    pieces = pieces_of(samples, budget)
    count = int(Ranks.of(trainer).largest(micro_batches(pieces, budget, ranks=1)))
    scored: dict[int, Scored] = {}
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        for part in deal(pieces, count):
            rows = list(chain.from_iterable(part))
            batch = packed(rows, version=0).to(module.device)
            scores = completion_logps(policy, batch, temperature)
            logp_BT, entropy_BT, mask_BT = scores.logp_BT.cpu(), scores.entropy_BT.cpu(), batch.mask_BT.bool().cpu()
            # A part without samples gets one token that belongs to no sample.
            scored |= {
                id(row): Scored(logp_BT[index][mask_BT[index]], entropy_BT[index][mask_BT[index]])
                for index, row in enumerate(rows)
            }
    return [scored[id(sample)] for sample in samples]


def standalone_logps(trainer: Any, module: Any, groups: Sequence[Group], start: int, budget: int) -> list[list[float]]:
    """Mean log-probability of the tokens of each completion without its prompt: a collective.

    Args:
        trainer: Lightning's, whose precision is used.
        module: The LightningModule with the policy.
        groups: Of this rank.
        start: Token that stands where the prompt was.
        budget: Packed tokens that go through the policy at a time.
    """
    questions = [replace(group.problem, prompt_ids=(start,)) for group in groups]
    samples = [
        TrainingSample(question, one)
        for question, group in zip(questions, groups, strict=True)
        for one in group.completions
    ]
    mean = iter(
        [float(logp_T.mean()) if len(logp_T) else 0.0 for logp_T in score_samples(trainer, module, samples, budget)]
    )
    return [[next(mean) for _ in group.completions] for group in groups]
