"""Filters: which problems may update the policy, decided before sampling, after grading, or both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlvr.types import Problem

SolvedGreedily = Callable[[Sequence[Problem]], Sequence[bool]]


@dataclass(frozen=True)
class Filter:
    """Keeps every problem; the base of the others, which override `before`, `after` or both.

    Attributes:
        name: The field's name for it.
        refill: Draw further problems until the batch is full again.
        max_rounds: Rounds of drawing before the step goes on with what there is.
    """

    name: str = "none"
    refill: bool = False
    max_rounds: int = 1

    def before(self, problems: Sequence[Problem], solved_greedily: SolvedGreedily) -> list[Problem]:
        """The problems worth sampling. `solved_greedily` decodes one greedy answer each with the current policy."""
        return list(problems)

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """Weight of each sampled problem given its m successes among n = `group_size`; 0 drops it."""
        return torch.ones(len(success_P))


@dataclass(frozen=True)
class SELF(Filter):
    """Learn only on problems whose greedy answer is wrong. Source: arXiv 2510.02230 (code; the refill is ours)."""

    def before(self, problems: Sequence[Problem], solved_greedily: SolvedGreedily) -> list[Problem]:
        """Drop what the current policy already solves at temperature 0."""
        solved = solved_greedily(problems)
        return [problem for problem, done in zip(problems, solved, strict=True) if not done]


def marginal_gain(success_P: Tensor, n: int, k: int) -> Tensor:
    """Expected marginal gain in Pass@k of a problem with m successes among n, uniform prior on its success rate.

    u(m; n, k) = E[k (1-p)^(k-1)] = k * prod_{j=1}^{k-1} (n-m+j) / (n+1+j); sums to n+1 over m = 0..n.
    Source: arXiv 2606.15455, Eq. 8 (second-hand, with the check value u(0; 8, 16) = 6.0).
    """
    j_J = torch.arange(1, k, dtype=torch.float64)
    misses_P1 = (n - success_P.to(torch.float64))[:, None]
    return k * torch.prod((misses_P1 + j_J) / (n + 1 + j_J), dim=1)


@dataclass(frozen=True)
class BBG(Filter):
    """Gate each problem by its share of the marginal gain in Pass@k. Source: arXiv 2606.15455, Eq. 9 (second-hand).

    A problem is dropped iff u(m) < tau (n+1), that is when its share of the utility summed over m is below tau.
    With n=8, k=16, tau=0.01, m = 0..3 stay.

    Attributes:
        k: The k of the Pass@k that is to grow.
        tau: Smallest part of the gain that passes.
        weighting: `gate` weighs what passes 1; `gain` weighs it u(m)/u(1), at most 1 (ours).
    """

    k: int = 16
    tau: float = 0.01
    weighting: Literal["gate", "gain"] = "gate"

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """0 for gated problems, else 1 or the gain's ratio."""
        gain_P = marginal_gain(success_P, group_size, self.k)
        stays_P = gain_P >= self.tau * (group_size + 1)
        if self.weighting == "gate":
            return stays_P.float()
        reference = marginal_gain(torch.ones(1), group_size, self.k)
        return (stays_P * (gain_P / reference).clamp(max=1.0)).float()


@dataclass(frozen=True)
class Dynamic(Filter):
    """Keep problems with both right and wrong rollouts. Source: DAPO, arXiv 2503.14476 (second-hand)."""

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where 0 < m < n."""
        return ((success_P > 0) & (success_P < group_size)).float()


@dataclass(frozen=True)
class ZeroSuccess(Filter):
    """Keep only problems that no rollout solved. Source: arXiv 2606.15455's intervention (second-hand).

    Group-normalised advantages are 0 there: use a loss that learns from m = 0, such as nsr.
    """

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where m = 0."""
        return (success_P == 0).float()


@dataclass(frozen=True)
class MaskEasy(Filter):
    """Drop problems that most rollouts solved. Source: arXiv 2606.15455's masking baseline (second-hand).

    Attributes:
        from_rate: Success rate m/n from which a problem is dropped; the paper's is 6 of 8.
    """

    from_rate: float = 0.75

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """1 where m/n is below `from_rate`."""
        return (success_P / group_size < self.from_rate).float()


@dataclass(frozen=True)
class RateWeight(Filter):
    """Weigh problems by p^a (1-p)^b with p = m/n. Source: ours; its corners m/n and 1 - m/n tell GRPO-N from GRPO.

    Attributes:
        right: a; 0 leaves the factor out.
        wrong: b, likewise.
    """

    right: float = 0.0
    wrong: float = 1.0

    def after(self, success_P: Tensor, group_size: int) -> Tensor:
        """The weight; 0 drops a problem, as m = 0 with a > 0."""
        rate_P = success_P / group_size
        return rate_P**self.right * (1 - rate_P) ** self.wrong
