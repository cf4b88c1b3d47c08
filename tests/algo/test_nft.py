"""NFT's surrogate: by hand, and against autograd of the naive formula."""

import pytest
import torch

from rlvr.algo.surrogates import nft


def test_by_hand():
    """Half are right. Right, rho = 2: -.5 log 2. Wrong, rho = 1/2: (1 - .25) / .5 = 1.5: -.5 log 1.5, gradient
    .5 x .5 x .5 / (1.5 x .5) = 1/6. Wrong, rho = 1.5: (1 - .75) / .5 = .5 passes as 1: 0, gradient .5 x .75 / .5."""
    logp_BT = torch.tensor([[2.0], [0.5], [1.5]]).log().requires_grad_()
    advantage_BT = torch.tensor([[0.5], [-0.5], [-0.5]])
    loss_BT, clipped_BT = nft(logp_BT, torch.zeros(3, 1), advantage_BT, torch.ones(3, 1))
    assert loss_BT[:, 0].tolist() == pytest.approx([-0.34657, -0.20273, 0], abs=1e-5)
    assert clipped_BT[:, 0].tolist() == [False, False, True]
    loss_BT.sum().backward()
    assert logp_BT.grad[:, 0].tolist() == pytest.approx([-0.5, 1 / 6, 0.75])


@pytest.mark.parametrize("seed", range(5))
def test_gradient_equals_the_naive_formula(seed: int):
    """Token by token, each branch written down; float64. Where the maximum binds, the gradient passes it."""
    generator = torch.Generator().manual_seed(seed)
    old_BT = -torch.rand(4, 5, generator=generator, dtype=torch.float64)
    logp_BT = old_BT + 0.4 * torch.randn(4, 5, generator=generator, dtype=torch.float64)
    mask_BT = (torch.arange(5) < torch.tensor([[5], [3], [4], [1]])).double()
    advantage_BT = torch.tensor([[0.75], [-0.25], [-0.9], [0.02]], dtype=torch.float64) * mask_BT
    ours, theirs = (logp_BT.clone().requires_grad_() for _ in range(2))
    loss_BT, clipped_BT = nft(ours, old_BT, advantage_BT, mask_BT)
    loss_BT.sum().backward()
    naive, value = torch.zeros((), dtype=torch.float64), 0.0
    for b, rate in enumerate([0.25, 0.25, 0.9, 0.98]):
        for t in range(int(mask_BT[b].sum())):
            ratio = (theirs[b, t] - old_BT[b, t]).exp()
            rest = (1 - rate * ratio) / (1 - rate)
            if b in (0, 3):
                naive = naive - (1 - rate) * ratio.log()
                value -= (1 - rate) * float(ratio.log())
            elif rest >= 1:
                naive = naive - (1 - rate) * rest.log()
                value -= (1 - rate) * float(rest.log())
            else:
                naive = naive - (1 - rate) * rest
            assert bool(clipped_BT[b, t]) == (b in (1, 2) and float(rest) < 1)
    naive.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert float(loss_BT.detach().sum()) == pytest.approx(value)


def test_before_the_policy_has_moved_it_is_minus_the_advantage():
    """As all surrogates; padding, whose advantage is 0, has no gradient."""
    logp_BT = torch.tensor([[-0.3, -0.7, 0.0]], dtype=torch.float64, requires_grad=True)
    advantage_BT = torch.tensor([[0.75, -0.25, 0.0]], dtype=torch.float64)
    nft(logp_BT, logp_BT.detach(), advantage_BT, torch.tensor([[1, 1, 0]]))[0].sum().backward()
    torch.testing.assert_close(logp_BT.grad, -advantage_BT)
