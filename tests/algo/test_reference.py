"""Divergences and stored answers: by hand, and against autograd of the naive formula in float64."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from rlvr.algo import DPHRL, KL, Objective, SelfKL, Tokens
from rlvr.algo.reference import Estimator, divergence
from rlvr.algo.surrogates import gspo_clip, ppo_clip

PPO = partial(ppo_clip, clip_low=0.2, clip_high=0.2)
SELF_KL = SelfKL("self_kl", samples=4, temperature=0.9, coefficient=0.01)
FORWARD = DPHRL("dph_rl", samples=8, temperature=1.0, coefficient=0.05, divergence="forward")
JS = replace(FORWARD, divergence="js")
HALF, QUARTER = math.log(0.5), math.log(0.25)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [("k1", math.log(2)), ("k2", math.log(2) ** 2 / 2), ("k3", 0.5 + math.log(2) - 1)],
)
def test_divergence_by_hand(estimator: Estimator, expected: float):
    """A token of probability 1/2 under the policy and 1/4 under the reference."""
    value_BT = divergence(torch.tensor([[HALF]]), torch.tensor([[QUARTER]]), estimator)
    assert float(value_BT) == pytest.approx(expected)


def test_what_each_estimator_pulls_towards():
    """Over the policy's own tokens, exactly: values and gradients of k1, k2 and k3 in a softmax of five tokens."""
    generator = torch.Generator().manual_seed(0)
    logits_V = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    reference_V = torch.randn(5, generator=generator, dtype=torch.float64).log_softmax(0)
    logp_V = logits_V.log_softmax(0)
    chance_V = logp_V.detach().exp()
    reverse = (logp_V.exp() * (logp_V - reference_V)).sum()
    forward = (reference_V.exp() * (reference_V - logp_V)).sum()
    mean = {k: (chance_V * divergence(logp_V, reference_V, k)).sum() for k in ("k1", "k2", "k3")}

    def slope(value: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(value, logits_V, retain_graph=True)[0]

    assert float(mean["k1"]) == pytest.approx(float(reverse))
    assert float(mean["k3"]) == pytest.approx(float(reverse))
    torch.testing.assert_close(slope(mean["k1"]), torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(slope(mean["k2"]), slope(reverse))
    torch.testing.assert_close(slope(mean["k3"]), slope(forward))


def test_kl_refuses_tokens_without_a_reference():
    with pytest.raises(ValueError, match="reference"):
        KL(0.1, "k3")(replace(tokens(), reference_logp_BT=None))


@pytest.mark.parametrize(
    ("n", "step", "since", "expected"),
    [
        *[(None, 100, 96, False), (10, 0, -4, False), (10, 8, 4, False), (10, 12, 8, True), (10, 16, 12, False)],
        *[(10, 20, 16, True), (4, 4, 0, True), (4, 8, 4, True), (1, 1, 0, True)],
    ],
)
def test_when_the_reference_is_renewed(n: int | None, step: int, since: int, expected: bool):
    assert KL(0.1, "k3", n).resets_at(step, since) is expected


def test_stored_losses_by_hand():
    """Probability 1/2 now and 1/4 under the base: u = 2."""
    logp_BT, reference_BT = torch.tensor([[HALF]]), torch.tensor([[QUARTER]])
    assert float(SELF_KL(logp_BT, None)) == pytest.approx(0.01 * math.log(2))
    assert float(FORWARD(logp_BT, reference_BT)) == pytest.approx(0.05 * (2 - math.log(2) - 1))
    assert float(JS(logp_BT, reference_BT)) == pytest.approx(0.05 * (2 * math.log(2) - 3 * math.log(1.5)))
    assert float(JS(logp_BT, logp_BT)) == pytest.approx(0.0, abs=1e-9)


def test_what_is_kept():
    assert [SELF_KL.keeps(m) for m in (0, 1, 4)] == [False, True, True]
    assert [FORWARD.keeps(m) for m in (0, 7, 8)] == [False, False, True]
    with pytest.raises(ValueError, match="dph_rl: stored answers came without"):
        FORWARD(torch.zeros(1, 1), None)


def tokens(stored: int = 2, seed: int = 0) -> Tokens:
    """Five completions of up to three tokens, the last ones stored answers."""
    generator = torch.Generator().manual_seed(seed)

    def noise(scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(5, 3, generator=generator, dtype=torch.float64)

    mask_BT = (torch.arange(3) < torch.tensor([[3], [2], [1], [3], [2]])).double()
    fresh_B1 = (torch.arange(5) < 5 - stored).double()[:, None]
    logp_BT = -noise().abs() * mask_BT
    return Tokens(
        logp_BT=logp_BT.requires_grad_(),
        entropy_BT=noise().abs() * mask_BT,
        old_logp_BT=(logp_BT.detach() + noise(0.3)) * mask_BT * fresh_B1,
        engine_logp_BT=torch.zeros_like(mask_BT),
        advantage_BT=noise() * mask_BT * fresh_B1,
        weight_BT=mask_BT * torch.where(fresh_B1 > 0, 1 / 6, 1 / 5),
        auxiliary_weight_BT=mask_BT / 6 * fresh_B1,
        mask_BT=mask_BT,
        reference_logp_BT=(logp_BT.detach() + noise(0.5)) * mask_BT,
        stored=stored,
    )


@pytest.mark.parametrize("replay", [SELF_KL, FORWARD, JS])
def test_fresh_and_stored_side_by_side(replay: SelfKL | DPHRL):
    """The sum of what each is worth alone, and metrics of the fresh ones are of those alone."""
    given = tokens()
    objective = Objective(PPO, auxiliary=[KL(0.1, "k2")], replay=replay)
    loss, sums = objective(given)
    wanted = torch.zeros((), dtype=torch.float64)
    for b, t in torch.nonzero(given.mask_BT).tolist():
        logp, reference = given.logp_BT[b, t], given.reference_logp_BT[b, t]
        if b >= 3:
            d = logp - reference
            u = d.exp()
            each = {SELF_KL: -0.01 * logp, FORWARD: 0.05 * (u - d - 1)}
            js = 0.05 * (u * u.log() - (u + 1) * ((u + 1) / 2).log())
            wanted = wanted + each.get(replay, js) / 5
            continue
        ratio, advantage = (logp - given.old_logp_BT[b, t]).exp(), given.advantage_BT[b, t]
        surrogate = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        wanted = wanted + (surrogate + 0.1 * (reference - logp) ** 2 / 2) / 6
    torch.testing.assert_close(loss, wanted)
    slopes = [torch.autograd.grad(value, given.logp_BT)[0] for value in (loss, wanted)]
    torch.testing.assert_close(*slopes)
    metrics = objective.metrics(sums)
    alone = objective.metrics(objective(given.fresh())[1])
    assert alone["train/replayed_tokens"] == 0
    assert {name: alone[name] for name in alone if "replay" not in name} == {
        name: metrics[name] for name in metrics if "replay" not in name
    }
    assert metrics["train/replayed_tokens"] == 5
    assert metrics["train/replay_logp"] == pytest.approx(float(given.logp_BT[3:].sum()) / 5)
    k3 = [math.exp(d) - d - 1 for d in (given.reference_logp_BT - given.logp_BT)[:3][given.mask_BT[:3] > 0].tolist()]
    assert metrics["train/kl"] == pytest.approx(sum(k3) / 6)


@pytest.mark.parametrize("surrogate", [PPO, partial(gspo_clip, clip_low=3e-4, clip_high=4e-4)])
def test_a_micro_batch_of_stored_answers_alone(surrogate: partial):
    """As of fresh ones alone, it has a loss, a gradient and every metric."""
    given = tokens(stored=5)
    loss, sums = Objective(surrogate, replay=SELF_KL)(given)
    (slope_BT,) = torch.autograd.grad(loss, given.logp_BT)
    torch.testing.assert_close(slope_BT, -0.01 * given.weight_BT)
    assert Objective(surrogate, replay=SELF_KL).metrics(sums)["train/entropy"] == 0
    fresh = tokens(stored=0)
    assert float(Objective(surrogate)(fresh)[0]) == float(Objective(surrogate, replay=SELF_KL)(fresh)[0])


def test_which_term_needs_a_reference():
    kl = KL(0.1, "k3")
    assert Objective(PPO).kl is None
    assert Objective(PPO, auxiliary=[kl]).kl is kl
