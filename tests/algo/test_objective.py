"""The objective: by hand, and against autograd of the naive formula in float64."""

import math
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch

from rlvr.algo import Correction, EntropyBonus, Objective, Tokens
from rlvr.algo.surrogates import ppo_clip

PPO = partial(ppo_clip, clip_low=0.2, clip_high=0.2)
CORRECTION = Correction("token", 1.5, "truncate")


@dataclass(frozen=True)
class ReferenceKL:
    """KL to a reference policy by Schulman's k3: exp(r) - r - 1 with r = log reference - log policy."""

    coefficient: float
    entropy_gradient: bool = False

    def __call__(self, tokens: Tokens) -> torch.Tensor:
        ratio_BT = tokens.reference_logp_BT - tokens.logp_BT
        return self.coefficient * (ratio_BT.exp() - ratio_BT - 1)


def tokens(logits_BTV: torch.Tensor, seed: int = 0) -> Tokens:
    """Three completions of 4, 2 and 1 tokens drawn from these logits; every token with an advantage of its own."""
    generator = torch.Generator().manual_seed(seed)

    def noise(scale: float) -> torch.Tensor:
        return scale * torch.randn(3, 4, generator=generator, dtype=torch.float64)

    mask_BT = (torch.arange(4) < torch.tensor([[4], [2], [1]])).double()
    token_BT = torch.randint(5, (3, 4), generator=generator)
    logp_BTV = logits_BTV.log_softmax(-1)
    logp_BT = logp_BTV.gather(-1, token_BT[..., None])[..., 0] * mask_BT
    old_BT = (logp_BT.detach() + noise(0.4)) * mask_BT
    return Tokens(
        logp_BT=logp_BT,
        entropy_BT=-(logp_BTV.exp() * logp_BTV).sum(-1) * mask_BT,
        old_logp_BT=old_BT,
        engine_logp_BT=(old_BT + noise(0.3)) * mask_BT,
        advantage_BT=noise(1.0) * mask_BT,
        weight_BT=noise(1.0).abs() * mask_BT,
        auxiliary_weight_BT=mask_BT / 7,
        mask_BT=mask_BT,
        reference_logp_BT=(logp_BT.detach() + noise(0.5)) * mask_BT,
    )


def naive(given: Tokens, entropy: float, kl: float) -> torch.Tensor:
    """Token by token, as one would write it down."""
    total = torch.zeros((), dtype=torch.float64)
    for b, t in torch.nonzero(given.mask_BT).tolist():
        logp, old, advantage = given.logp_BT[b, t], given.old_logp_BT[b, t], given.advantage_BT[b, t]
        ratio = (logp - old).exp()
        surrogate = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        correction = min(math.exp(float(old - given.engine_logp_BT[b, t])), 1.5)
        total = total + surrogate * correction * given.weight_BT[b, t]
        further = given.reference_logp_BT[b, t] - logp
        total = total + (kl * (further.exp() - further - 1) - entropy * given.entropy_BT[b, t]) / 7
    return total


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("entropy", "kl"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.2), (0.1, 0.2)])
def test_value_and_gradient_equal_the_naive_formula(entropy: float, kl: float, seed: int):
    """Surrogate x correction x weight + entropy bonus + KL to a reference, down to the logits."""
    logits_BTV = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ours, theirs = (logits_BTV.clone().requires_grad_() for _ in range(2))
    terms = [*([EntropyBonus(entropy)] if entropy else []), *([ReferenceKL(kl)] if kl else [])]
    loss, _ = Objective(PPO, [CORRECTION], terms)(tokens(ours, seed))
    expected = naive(tokens(theirs, seed), entropy, kl)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def by_hand() -> Tokens:
    """One completion of two tokens and a place of padding, on-policy."""
    return Tokens(
        logp_BT=torch.tensor([[0.5, 0.25, 1.0]]).log().requires_grad_(),
        entropy_BT=torch.tensor([[0.6, 0.2, 0.0]], requires_grad=True),
        old_logp_BT=torch.tensor([[0.5, 0.25, 1.0]]).log(),
        engine_logp_BT=torch.tensor([[0.4, 0.1, 1.0]]).log(),
        advantage_BT=torch.tensor([[2.0, -1.0, 0.0]]),
        weight_BT=torch.tensor([[0.5, 0.25, 0.0]]),
        auxiliary_weight_BT=torch.tensor([[0.1, 0.1, 0.0]]),
        mask_BT=torch.tensor([[1, 1, 0]]),
    )


def test_by_hand():
    """Ratios are 1: -2 x .5 + 1 x .25 = -.75; correction 1.25 and min(2.5, 1.5): -1.25 + .375 = -.875; the bonus of
    0.1 a nat over weights of .1: -.1 x .1 x .8 = -.008. An advantage of its own for each token: gradients -1, .25."""
    given = by_hand()
    loss, sums = Objective(PPO)(given)
    assert loss.item() == pytest.approx(-0.75)
    loss.backward()
    assert given.logp_BT.grad[0].tolist() == pytest.approx([-1, 0.25, 0])
    assert {name: float(value) for name, value in sums.items()} == pytest.approx(
        {"tokens": 2, "clipped": 0, "entropy": 0.8}
    )
    assert float(Objective(PPO, [CORRECTION])(by_hand())[0]) == pytest.approx(-0.875)
    given = by_hand()
    loss, _ = Objective(PPO, [CORRECTION], [EntropyBonus(0.1)])(given)
    assert loss.item() == pytest.approx(-0.883)
    loss.backward()
    assert given.entropy_BT.grad[0].tolist() == pytest.approx([-0.01, -0.01, 0])
    assert given.logp_BT.grad[0].tolist() == pytest.approx([-1.25, 0.375, 0])


def test_entropy_bonus_by_hand():
    """- coefficient x entropy."""
    assert EntropyBonus(0.5)(by_hand())[0].tolist() == pytest.approx([-0.3, -0.1, 0])


def test_what_an_objective_needs():
    """Every completion where there are auxiliary terms; the entropy's gradient where one of them asks for it."""
    plain, kl, bonus = (Objective(PPO, auxiliary=terms) for terms in ([], [ReferenceKL(1.0)], [EntropyBonus(1.0)]))
    assert [one.needs_every_completion for one in (plain, kl, bonus)] == [False, True, True]
    assert [one.entropy_gradient for one in (plain, kl, bonus)] == [False, False, True]


def test_metrics_add_up_over_micro_batches():
    """Half a step twice is the step: shares of tokens, and the correction's own."""
    objective = Objective(PPO, [CORRECTION])
    _, sums = objective(by_hand())
    metrics = objective.metrics(sums)
    assert metrics["train/entropy"] == pytest.approx(0.4)
    assert metrics["train/clipped_share"] == 0
    assert metrics["correction/ratio"] == pytest.approx((1.25 + 2.5) / 2)
    assert objective.metrics({name: value + value for name, value in sums.items()}) == pytest.approx(metrics)


def test_several_token_weights_are_multiplied():
    """The correction twice: 1.25^2 and 1.5^2."""
    loss, _ = Objective(PPO, [CORRECTION, CORRECTION])(by_hand())
    assert loss.item() == pytest.approx(-(1.25**2) + 0.25 * 1.5**2)


def test_what_is_not_the_policys_counts_nowhere():
    """A weight of 0 at padding is not needed for that: the mask is enough for the surrogate."""
    given = replace(by_hand(), advantage_BT=torch.tensor([[2.0, -1.0, 9.0]]), weight_BT=torch.ones(1, 3))
    assert float(Objective(PPO)(given)[0]) == pytest.approx(-1)
