"""Surrogates against values by hand, and their gradients against autograd of the naive formula."""

import pytest
import torch

from rlvr.algo.surrogates import gspo_clip, ppo_clip


def case(seed: int, per_token: bool) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    old_BT = -torch.rand(4, 5, generator=generator, dtype=torch.float64)
    logp_BT = old_BT + 0.4 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    mask_BT = (torch.arange(5) < torch.tensor([[5], [3], [4], [1]])).double()
    if per_token:
        advantage_BT = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    else:
        advantage_BT = torch.tensor([[1.5], [-0.5], [-2.0], [0.3]], dtype=torch.float64).expand(4, 5)
    return logp_BT, old_BT, advantage_BT * mask_BT, mask_BT


def test_ppo_clip_by_hand():
    """A = 1, rho = e^0.5 = 1.649 is clipped at 1.2: loss -1.2. A = -1, rho = e^-0.5 = .607: clipped at .8, loss .8.
    A = -1, rho = e^2 = 7.389: not clipped, loss 7.389, with dual clip 3 it is 3."""
    logp_BT, old_BT = torch.tensor([[0.5], [-0.5], [2.0]]), torch.zeros(3, 1)
    advantage_BT, mask_BT = torch.tensor([[1.0], [-1.0], [-1.0]]), torch.ones(3, 1)
    loss_BT, clipped_BT = ppo_clip(logp_BT, old_BT, advantage_BT, mask_BT, 0.2, 0.2)
    assert loss_BT[:, 0].tolist() == pytest.approx([-1.2, 0.8, 7.389], abs=1e-3)
    assert clipped_BT[:, 0].tolist() == [True, True, False]
    loss_BT, clipped_BT = ppo_clip(logp_BT, old_BT, advantage_BT, mask_BT, 0.2, 0.2, dual_clip=3.0)
    assert loss_BT[2, 0] == 3
    assert clipped_BT[2, 0]


def test_gspo_by_hand():
    """Log ratios 0.3 and -0.1 over two tokens (a third is padding): s = e^0.1 = 1.105, A = -2: loss 2.21 a token."""
    logp_BT, old_BT = torch.tensor([[0.3, -0.1, 9.0]]), torch.zeros(1, 3)
    loss_BT, _ = gspo_clip(logp_BT, old_BT, torch.tensor([[-2.0, -2, 0]]), torch.tensor([[1, 1, 0]]), 3e-4, 4e-4)
    assert loss_BT[0].tolist() == pytest.approx([2.2103, 2.2103, 0], abs=1e-3)


def naive_ppo(logp_BT, old_BT, advantage_BT, mask_BT, dual_clip=None):
    total = torch.zeros((), dtype=torch.float64)
    for b in range(len(logp_BT)):
        for t in range(int(mask_BT[b].sum())):
            ratio, a = (logp_BT[b, t] - old_BT[b, t]).exp(), advantage_BT[b, t]
            loss = torch.max(-a * ratio, -a * ratio.clamp(0.8, 1.2))
            if dual_clip and a < 0:
                loss = torch.min(loss, -a * dual_clip)
            total = total + loss
    return total


def naive_gspo(logp_BT, old_BT, advantage_BT, mask_BT):
    total = torch.zeros((), dtype=torch.float64)
    for b in range(len(logp_BT)):
        n = int(mask_BT[b].sum())
        ratio, a = (logp_BT[b, :n] - old_BT[b, :n]).mean().exp(), advantage_BT[b, :n]
        total = total + torch.max(-a * ratio, -a * ratio.clamp(1 - 0.1, 1 + 0.1)).sum()
    return total


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["ppo", "ppo_dual", "gspo"])
@pytest.mark.parametrize("per_token", [False, True], ids=["sequence", "token"])
def test_gradient_equals_autograd_of_the_naive_formula(per_token: bool, name: str, seed: int):
    """Values and gradients, in float64, with one advantage a sequence and with one a token."""
    logp_BT, old_BT, advantage_BT, mask_BT = case(seed, per_token)
    ours, theirs = (logp_BT.clone().requires_grad_() for _ in range(2))
    if name == "gspo":
        loss = gspo_clip(ours, old_BT, advantage_BT, mask_BT, 0.1, 0.1)[0].sum()
        naive = naive_gspo(theirs, old_BT, advantage_BT, mask_BT)
    else:
        dual = 1.3 if name == "ppo_dual" else None
        loss = ppo_clip(ours, old_BT, advantage_BT, mask_BT, 0.2, 0.2, dual)[0].sum()
        naive = naive_ppo(theirs, old_BT, advantage_BT, mask_BT, dual)
    loss.backward()
    naive.backward()
    torch.testing.assert_close(loss, naive)
    torch.testing.assert_close(ours.grad, theirs.grad)
