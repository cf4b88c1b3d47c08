"""CISPO, TOPR, ASPO and GMPO: by hand, against naive formulas, and where they are GRPO and GSPO."""

from functools import partial

import pytest
import torch
from torch import Tensor

from rlvr.algo.surrogates import gmpo, gspo_clip, ppo_clip, reinforce
from rlvr.algo.weighted_surrogates import aspo, cispo, topr
from tests.algo.test_surrogates import case

CISPO = partial(cispo, clip_low=None, clip_high=0.2)
BOUNDED = partial(cispo, clip_low=0.2, clip_high=0.2)
ASPO = partial(aspo, clip_low=0.2, clip_high=0.2, cap=1.3)
GMPO = partial(gmpo, clip=0.1)


def gradients(surrogate, ratios: list[float], advantages: list[float]) -> tuple[list[float], list[bool]]:
    """D loss / d logp of single tokens, and whether each counts as clipped."""
    logp_BT = torch.tensor(ratios).log()[:, None].requires_grad_()
    given = (torch.zeros(4, 1), torch.tensor(advantages)[:, None], torch.ones(4, 1))
    loss_BT, clipped_BT = surrogate(logp_BT, *given)
    loss_BT.sum().backward()
    return logp_BT.grad[:, 0].tolist(), clipped_BT[:, 0].tolist()


# Ratios 2, .5, 2, .5 with advantages 1, 1, -1, -1; a gradient is - weight x advantage.
@pytest.mark.parametrize(
    ("surrogate", "weights", "clipped"),
    [
        (reinforce, [1, 1, 1, 1], [False] * 4),
        (CISPO, [1.2, 0.5, 1.2, 0.5], [True, False, True, False]),  # above 1.2 bounded, below not
        (BOUNDED, [1.2, 0.8, 1.2, 0.8], [True] * 4),
        (topr, [1, 1, 1, 0.5], [False, False, True, False]),  # no ratio for A > 0; at most 1 for A < 0
        # A > 0: nothing beyond 1.2, 1/.5 = 2 capped at 1.3; A < 0: PPO's, 2 beyond the dual clip, .5 below the lower.
        (ASPO, [0, 1.3, 0, 0], [True, True, True, True]),
        (partial(aspo, clip_low=0.6, clip_high=1.5, cap=3.0), [0.5, 2, 2, 0.5], [False] * 4),  # 1/rho and rho
        # Log ratios .69 and -.69 bounded at .1 where the bound is the smaller gain: then no gradient.
        (GMPO, [0, 0.5, 2, 0], [True, False, False, True]),
    ],
)
def test_by_hand(surrogate, weights: list[float], clipped: list[bool]):
    """The arithmetic stands beside each row."""
    found, bounded = gradients(surrogate, [2, 0.5, 2, 0.5], [1, 1, -1, -1])
    assert found == pytest.approx([-weights[0], -weights[1], weights[2], weights[3]], abs=1e-6)
    assert bounded == clipped


def test_gmpo_of_a_sequence_by_hand():
    """Log ratios .3, -.2 and padding, A = 2, bound .1: .3 becomes .1, so exp((.1 - .2) / 2) = e^-.05 = .9512, loss
    -1.9025 at each token; the second token's gradient is that by 2, at two places."""
    logp_BT = torch.tensor([[0.3, -0.2, 9.0]], requires_grad=True)
    given = (torch.zeros(1, 3), torch.tensor([[2.0, 2.0, 0.0]]), torch.tensor([[1, 1, 0]]))
    loss_BT, clipped_BT = GMPO(logp_BT, *given)
    assert loss_BT[0].tolist() == pytest.approx([-1.9025, -1.9025, 0], abs=1e-4)
    assert clipped_BT[0].tolist() == [True, False, False]
    loss_BT.sum().backward()
    assert logp_BT.grad[0].tolist() == pytest.approx([0, -1.9025, 0], abs=1e-4)


def weight(name: str, ratio: float, advantage: float) -> float:
    """Of log pi in the gradient, as one would write it down."""
    if name == "reinforce" or (name == "topr" and advantage > 0):
        return 1.0
    if name == "topr":
        return min(ratio, 1.0)
    if name == "cispo":
        return min(ratio, 1.2)
    if name == "bounded":
        return min(max(ratio, 0.8), 1.2)
    if advantage > 0:
        return 0.0 if ratio > 1.2 else min(1 / ratio, 1.3)
    return 0.0 if ratio < 0.8 or ratio > 1.3 else ratio


NAMES = {"reinforce": reinforce, "topr": topr, "cispo": CISPO, "bounded": BOUNDED, "aspo": ASPO}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("per_token", [False, True], ids=["sequence", "token"])
def test_gradients_equal_the_naive_formula(per_token: bool, name: str, seed: int):
    """Token by token, in float64; padding has none."""
    logp_BT, old_BT, advantage_BT, mask_BT = case(seed, per_token)
    ours, theirs = (logp_BT.clone().requires_grad_() for _ in range(2))
    NAMES[name](ours, old_BT, advantage_BT, mask_BT)[0].sum().backward()
    total = torch.zeros((), dtype=torch.float64)
    for b, t in torch.nonzero(mask_BT).tolist():
        a, ratio = float(advantage_BT[b, t]), float((logp_BT[b, t] - old_BT[b, t]).exp())
        total = total - weight(name, ratio, a) * a * theirs[b, t]
    total.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("per_token", [False, True], ids=["sequence", "token"])
def test_gmpo_equals_autograd_of_the_naive_formula(per_token: bool, seed: int):
    logp_BT, old_BT, advantage_BT, mask_BT = case(seed, per_token)
    ours, theirs = (logp_BT.clone().requires_grad_() for _ in range(2))
    loss = GMPO(ours, old_BT, advantage_BT, mask_BT)[0].sum()
    naive = torch.zeros((), dtype=torch.float64)
    for b in range(4):
        tokens = range(int(mask_BT[b].sum()))
        logs: list[Tensor] = []
        for t in tokens:
            log = theirs[b, t] - old_BT[b, t]
            bounded = log.clamp(-0.1, 0.1)
            logs.append(torch.min(log, bounded) if advantage_BT[b, t] > 0 else torch.max(log, bounded))
        ratio = (sum(logs) / len(logs)).exp()
        naive = naive - sum(advantage_BT[b, t] for t in tokens) * ratio
    loss.backward()
    naive.backward()
    torch.testing.assert_close(loss, naive)
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("per_token", [False, True], ids=["sequence", "token"])
def test_before_the_policy_has_moved_they_are_grpo(per_token: bool):
    """At rho = 1 to the bit: - A. And a sequence's ratio is the sum over its tokens by their number."""
    _, old_BT, advantage_BT, mask_BT = case(0, per_token)

    def gradient(surrogate) -> Tensor:
        logp_BT = old_BT.clone().requires_grad_()
        surrogate(logp_BT, old_BT, advantage_BT, mask_BT)[0].sum().backward()
        return logp_BT.grad

    grpo = gradient(partial(ppo_clip, clip_low=0.2, clip_high=0.2))
    assert torch.equal(grpo, -advantage_BT)
    for surrogate in NAMES.values():
        assert torch.equal(gradient(surrogate), grpo)
    assert torch.equal(gradient(GMPO), gradient(partial(gspo_clip, clip_low=0.1, clip_high=0.1)))
    if not per_token:
        torch.testing.assert_close(gradient(GMPO), grpo)
