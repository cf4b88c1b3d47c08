"""Advantages against values worked out by hand."""

import pytest
import torch

from rlvr.algo import Outcomes
from rlvr.algo.advantages import centred, group_normalised, signed

REWARDS = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


def outcomes(reward_PG: torch.Tensor) -> Outcomes:
    """Right where the reward is 1."""
    return Outcomes(reward_PG, reward_PG == 1)


def test_group_normalised_by_hand():
    """R = 1,0,0,0: mean 1/4, unbiased variance (9/16 + 3/16) / 3 = 1/4, std 1/2: (3/4)/(1/2) = 1.5, -0.5 thrice."""
    advantage_PG = group_normalised(outcomes(REWARDS))
    assert advantage_PG[0].tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], abs=1e-5)
    assert advantage_PG[1:].abs().max() == 0


def test_equal_rewards_get_exactly_zero():
    """The mean of 0.1 eight times is not 0.1 in floating point; the advantage must be 0 all the same."""
    assert group_normalised(outcomes(torch.full((1, 8), 0.1))).abs().max() == 0


def test_centred_by_hand():
    """R = 1,0,0,0: 1 - 1/4 and -1/4."""
    assert centred(outcomes(REWARDS))[0].tolist() == [0.75, -0.25, -0.25, -0.25]


def test_signed_by_hand():
    """W-REINFORCE with lambda = 0.1: 0.1 for right, -1 for wrong, whatever the group."""
    assert signed(outcomes(REWARDS[:2]), right=0.1, wrong=-1.0).tolist() == [
        pytest.approx([0.1, -1, -1, -1]),
        pytest.approx([0.1] * 4),
    ]


def test_parts_of_a_reward():
    """R = 1, .5, 0, 0 with one right: centred on 3/8; what is signed looks at right and wrong alone."""
    given = outcomes(torch.tensor([[1.0, 0.5, 0.0, 0.0]]))
    assert centred(given)[0].tolist() == [0.625, 0.125, -0.375, -0.375]
    assert signed(given, right=1.0, wrong=-1.0)[0].tolist() == [1, -1, -1, -1]


@pytest.mark.parametrize("advantage", [centred, group_normalised, lambda given: signed(given, 1.0, -1.0)])
def test_a_reward_that_is_no_number_gives_no_number(advantage):
    """It must not pass for an answer."""
    assert advantage(outcomes(torch.tensor([[1.0, torch.nan, 0.0, 0.0]])))[0, 1].isnan()
