"""Which tokens a term applies to, where the choice depends on all tokens of the optimizer step.

The choice is made once a step, from the numbers of all ranks, before the step is cut into micro-batches, so the
cut can't change the choice. Known at that time are the advantages, and the log-probabilities that the engine computed.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor


@runtime_checkable
class Chooses(Protocol):
    """A term or factor that chooses tokens; hashable. It finds its choice by `Tokens.chosen_by`."""

    def choose(self, advantage_M: Tensor, logp_M: Tensor, draw: Generator) -> Tensor:
        """Whether each token is chosen, [M].

        Args:
            advantage_M: Advantages of all M tokens of the step that the policy wrote, in the same order on every rank.
            logp_M: Their log-probabilities under the policy that sampled, nats.
            draw: Random numbers, the same on every rank.
        """


def covariance(advantage_M: Tensor, logp_M: Tensor) -> Tensor:
    """What each token adds to the covariance of advantage and log-probability, [M]: (A - mean)(log pi - mean)."""
    return (advantage_M - advantage_M.mean()) * (logp_M - logp_M.mean())


def least(score_M: Tensor, count: int) -> Tensor:
    """The tokens with the smallest scores, as [M] booleans: `count` of them, or all where there are fewer."""
    chosen_M = torch.zeros_like(score_M, dtype=torch.bool)
    chosen_M[score_M.topk(min(count, len(score_M)), largest=False).indices] = True
    return chosen_M


def part(count: int, share: float) -> int:
    """A share of `count` tokens, rounded down, at least one. A little is added before rounding, since .29 x 100 is less
    than 29 in floating point."""
    return max(int(count * share + 1e-6), 1)
