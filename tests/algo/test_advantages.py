"""Advantages against values worked out by hand."""

import pytest
import torch

from rlvr.algo.advantages import centred, group_normalised, signed

REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


def test_group_normalised_by_hand():
    """R = 1,0,0,0: mean 1/4, unbiased variance (9/16 + 3/16) / 3 = 1/4, std 1/2: (3/4)/(1/2) = 1.5, -0.5 thrice."""
    advantage_PG = group_normalised(REWARDS)
    assert advantage_PG[0].tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-5)
    assert advantage_PG[1:].abs().max() == 0


def test_equal_rewards_get_exactly_zero():
    """The mean of 0.1 eight times is not 0.1 in floating point; the advantage must be 0 all the same."""
    assert group_normalised(torch.full((1, 8), 0.1)).abs().max() == 0


def test_centred_by_hand():
    """R = 1,0,0,0: 1 - 1/4 and -1/4."""
    assert centred(REWARDS)[0].tolist() == [0.75, -0.25, -0.25, -0.25]


def test_signed_by_hand():
    """W-REINFORCE with lambda = 0.1: 0.1 for right, -1 for wrong, whatever the group."""
    assert signed(REWARDS[:2], right=0.1, wrong=-1.0).tolist() == [
        pytest.approx([0.1, -1, -1, -1]),
        pytest.approx([0.1] * 4),
    ]
