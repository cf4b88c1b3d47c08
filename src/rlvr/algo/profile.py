"""What a method learns from: how much it weighs a problem that the policy solves with chance p.

For rewards of 0 and 1, groups of n on-policy rollouts and one denominator for all tokens, whatever the policy,

    E[(1/n) sum_i A_i grad log pi(y_i)] = f(p) grad p,
    f(p) = E_{m ~ Bin(n-1, p)}[A(right | m+1 of n right) - A(wrong | m of n right)]

since the sum of pi grad log pi over right answers is grad p, over wrong ones - grad p, and the n-1 other rollouts of
the group do not depend on the one looked at. The filter's weight is in A. Ours; the tests hold it to an enumeration of
all groups and to the gradient of the real loss.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rlvr.algo.advantages import Outcomes
from rlvr.algo.filters import Filter
from rlvr.algo.loss import Loss


class NoProfileError(ValueError):
    """A method's weight is no function of the success rate alone."""


@dataclass(frozen=True)
class Profile:
    """What a method does with groups of problems with R success rates.

    Attributes:
        rate_R: Chances p that the policy solves a problem, above 0 and below 1.
        weight_R: f(p).
        variance_R: Variance over groups of W(m), the factor of grad p that a group with m right answers has in
            expectation, whose own expectation is f(p): the noise that comes from how many are right.
        silent_R: Share of groups in which every advantage is 0.
        size_R: Mean of |A_i|: how much a completion is pushed, up or down.
    """

    rate_R: Tensor
    weight_R: Tensor
    variance_R: Tensor
    silent_R: Tensor
    size_R: Tensor


def profile(loss: Loss, filter: Filter, group_size: int, rate_R: Tensor) -> Profile:
    """Exactly, by enumeration of how many of a group are right.

    Raises:
        NoProfileError: When an advantage depends on other groups, or on more of a group than what is right.
    """
    n, advantage_MG = group_size, advantages_by_success(loss, filter, group_size)
    # Where a group has no right or no wrong answer, the other's advantage stands there and is multiplied by 0.
    right_M, wrong_M = advantage_MG[:, 0], advantage_MG[:, -1]
    rate_R = rate_R.double()
    weight_R = binomial(n - 1, rate_R) @ (right_M[1:] - wrong_M[:-1])
    success_M, chance_RM = torch.arange(n + 1), binomial(n, rate_R)
    rate_R1 = rate_R[:, None]
    factor_RM = (success_M * right_M / rate_R1 - (n - success_M) * wrong_M / (1 - rate_R1)) / n
    variance_R = (chance_RM * (factor_RM - weight_R[:, None]).square()).sum(dim=1)
    silent_M = (advantage_MG == 0).all(dim=1).double()
    size_M = advantage_MG.abs().mean(dim=1)
    return Profile(rate_R, weight_R, variance_R, chance_RM @ silent_M, chance_RM @ size_M)


def advantages_by_success(loss: Loss, filter: Filter, group_size: int) -> Tensor:
    """Advantages [M, G] with the filter's weight; in row m, for m = 0..n, the first m of n answers are right.

    Raises:
        NoProfileError: See `profile`.
    """
    success_M = torch.arange(group_size + 1)
    right_MG = torch.arange(group_size) < success_M[:, None]
    weight_M = filter.after(success_M.double(), group_size)
    together_MG = loss.advantages(outcomes_of(right_MG), weight_M)
    alone = [loss.advantages(outcomes_of(right_MG[[m]]), weight_M[[m]]) for m in success_M.tolist()]
    if not torch.allclose(torch.cat(alone), together_MG, rtol=1e-9, atol=1e-12):
        raise NoProfileError(f"loss {loss.name} compares a group with the others of its batch")
    by_outcome_MG = torch.where(right_MG, together_MG[:, :1], together_MG[:, -1:])
    if not torch.allclose(by_outcome_MG, together_MG, rtol=1e-9, atol=1e-12):
        raise NoProfileError(f"loss {loss.name} tells right answers of a group apart, or wrong ones")
    return together_MG


def outcomes_of(right_PG: Tensor) -> Outcomes:
    """Rewards of 1 and 0. Lengths and log-probabilities differ within a group: a method that reads them is noticed."""
    group = right_PG.shape[1]
    length_PG = torch.arange(1.0, group + 1, dtype=torch.float64).expand(right_PG.shape)
    return Outcomes(
        right_PG.double(),
        right_PG,
        length_PG,
        logp_PG=-length_PG,
        max_tokens=2 * group,
        standalone_logp_PG=-2 * length_PG,
    )


def decides_before_sampling(filter: Filter) -> bool:
    """Whether a filter may drop a problem before it is sampled, as SELF does, with a chance that p does not say."""
    return type(filter).before is not Filter.before


def remembers(filter: Filter) -> bool:
    """Whether a filter's weight of a group also depends on what it has seen before."""
    return type(filter).weigh is not Filter.weigh


def divides_by_length(loss: Loss) -> bool:
    """Whether an answer's gradient is divided by its own length, as in a mean over sequences of their means."""
    scale_PG, _ = loss.aggregation(torch.ones(1, 2), torch.tensor([[1.0, 2.0]]), 2)
    return bool(scale_PG[0, 0] != scale_PG[0, 1])


def binomial(n: int, rate_R: Tensor) -> Tensor:
    """Chances [R, M] of m = 0..n right answers among n."""
    success_M, rate_R1 = torch.arange(n + 1), rate_R[:, None]
    ways_M = torch.tensor([math.comb(n, m) for m in range(n + 1)], dtype=rate_R.dtype)
    return ways_M * rate_R1**success_M * (1 - rate_R1) ** (n - success_M)
