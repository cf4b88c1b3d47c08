"""What is learned from a reference beside fresh rollouts: a divergence from it, or answers that it once gave."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from rlvr.algo.tokens import Tokens

Estimator = Literal["k1", "k2", "k3"]


def divergence(logp_BT: Tensor, reference_logp_BT: Tensor, estimator: Estimator) -> Tensor:
    """One sampled token's estimate of KL(policy || reference), [B, T], nats.

    With d = log pi_ref - log pi: k1 = -d, k2 = d^2 / 2, k3 = e^d - d - 1. Means of k1 and k3 over the policy's own
    tokens are the divergence, and k3 is never negative; that of k2 has the divergence's gradient there. Source: code
    of several trainers; which has which gradient is worked out in the tests.
    """
    d_BT = reference_logp_BT - logp_BT
    if estimator == "k1":
        return -d_BT
    if estimator == "k2":
        return d_BT.square() / 2
    return d_BT.exp() - d_BT - 1


@dataclass(frozen=True)
class KL:
    """coefficient x an estimate of KL(policy || reference). Source: GRPO, arXiv 2402.03300 (code), which has k3.

    As a loss on fresh rollouts k1 has a gradient of mean 0 and only adds noise; k2 has the gradient of KL(policy ||
    reference), k3 near the reference that of KL(reference || policy). A reference that follows every N optimizer steps
    is ProRL's (arXiv 2505.24864, code), which resets the optimizer's states as well; here they stay (ours).

    Attributes:
        coefficient: Per nat.
        estimator: See `divergence`.
        reset_every_n_steps: Optimizer steps after which the reference becomes the policy of then; None: it stays the
            policy that the run began with.
    """

    coefficient: float
    estimator: Estimator
    reset_every_n_steps: int | None = None
    entropy_gradient: ClassVar[bool] = False

    def __call__(self, tokens: Tokens) -> Tensor:
        """See `Auxiliary`.

        Raises:
            ValueError: When the tokens come without the reference's log-probabilities.
        """
        if tokens.reference_logp_BT is None:
            raise ValueError("A KL needs the reference's log-probabilities.")
        return self.coefficient * divergence(tokens.logp_BT, tokens.reference_logp_BT, self.estimator)

    def resets_at(self, step: int, since: int) -> bool:
        """Whether the reference is renewed before the rollout at optimizer step `step`, the last one being at `since`;
        a rollout brings several steps, so the multiple of N may lie between."""
        n = self.reset_every_n_steps
        return n is not None and step // n > max(since, 0) // n


class Replay(Protocol):
    """A loss on right answers that the base gave before training, to problems drawn but not sampled.

    Attributes:
        name: The field's name for it.
        samples: Answers of the base to each problem, drawn once.
        temperature: At which they are.
        needs_reference: Whether their log-probabilities under the base are stored, too.
        claims: Whether a problem with stored answers is never sampled; else only the filter decides.
    """

    name: str
    samples: int
    temperature: float
    needs_reference: ClassVar[bool]
    claims: ClassVar[bool]

    def keeps(self, successes: int) -> bool:
        """Whether a problem's right answers are stored, given how many of its samples were right."""

    def __call__(self, logp_BT: Tensor, reference_logp_BT: Tensor | None) -> Tensor:
        """Loss of each stored token [B, T]; the objective takes the mean over all of an optimizer step's."""


@dataclass(frozen=True)
class SelfKL:
    """SELF's forward KL: - coefficient x log pi(y) on right answers of the base, for problems solved greedily.

    Source: arXiv 2510.02230 (paper). The release does not hold the term, but its traces show how answers are drawn: 4
    of the base at temperature .9, which are graded. That they are drawn once, the mean over tokens and the coefficient
    are ours. The stored answers are the base's, so up to the base's entropy this is KL(base || policy) on right ones.

    Attributes:
        name: The field's name for it.
        samples: See `Replay`.
        temperature: See `Replay`.
        coefficient: Per nat.
    """

    name: str
    samples: int
    temperature: float
    coefficient: float
    needs_reference: ClassVar[bool] = False
    claims: ClassVar[bool] = False

    def keeps(self, successes: int) -> bool:
        """Whether any sample is right."""
        return successes > 0

    def __call__(self, logp_BT: Tensor, reference_logp_BT: Tensor | None) -> Tensor:
        """See `Replay`."""
        return -self.coefficient * logp_BT


@dataclass(frozen=True)
class DPHRL:
    """DPH-RL: a divergence that covers the base's modes, on problems that the base solves always; these are not
    sampled. Source: arXiv 2509.07430 (code).

    With u = pi / pi_ref of a stored token and d = log u: `forward` is e^d - d - 1; `js` is u log u - (u + 1) log((u +
    1) / 2). That the mean is over an optimizer step's stored tokens is ours.

    Attributes:
        name: The field's name for it.
        samples: See `Replay`; 8 in the source, all of which must be right.
        temperature: See `Replay`.
        coefficient: .01 to .05 for `forward`, .05 to .2 for `js`.
        divergence: Which.
    """

    name: str
    samples: int
    temperature: float
    coefficient: float
    divergence: Literal["forward", "js"]
    needs_reference: ClassVar[bool] = True
    claims: ClassVar[bool] = True

    def keeps(self, successes: int) -> bool:
        """Whether all samples are right."""
        return successes == self.samples

    def __call__(self, logp_BT: Tensor, reference_logp_BT: Tensor | None) -> Tensor:
        """See `Replay`.

        Raises:
            ValueError: When the reference's log-probabilities are missing.
        """
        if reference_logp_BT is None:
            raise ValueError(f"{self.name}: stored answers came without the base's log-probabilities.")
        d_BT = logp_BT - reference_logp_BT
        u_BT = d_BT.exp()
        if self.divergence == "forward":
            return self.coefficient * (u_BT - d_BT - 1)
        return self.coefficient * (u_BT * d_BT - (u_BT + 1) * torch.log((u_BT + 1) / 2))
