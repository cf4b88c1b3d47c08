"""Every shipped loss, as composed from its YAML: weighted token gradients against values by hand."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rlvr.algo import Loss, Outcomes

LOSSES = Path(__file__).parents[2] / "configs" / "algo" / "loss"
# Groups: one right of four, all right, none right.
REWARDS = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
LENGTHS = torch.tensor([[2.0, 3, 4, 1], [2, 2, 2, 2], [5, 5, 5, 5]])

# At its k of 4 a group of 4 teaches nothing.
SMALLER = {"passk": {"advantage": {"k": 2}}}
# What other groups weigh depends on those without gradient.
OVER_THE_BATCH = {"lite_ppo", "reinforce_pp"}


def outcomes(reward_PG: torch.Tensor) -> Outcomes:
    """Right where the reward is 1."""
    return Outcomes(reward_PG, reward_PG == 1)


def load(name: str) -> Loss:
    return instantiate(OmegaConf.merge(OmegaConf.load(LOSSES / f"{name}.yaml"), SMALLER.get(name, {})))


def token_gradients(loss: Loss, reward_PG: torch.Tensor, length_PG: torch.Tensor, max_tokens: int = 10) -> torch.Tensor:
    """D loss / d logp of one token of each rollout, [P, G], where the policy is still the one that sampled."""
    given = replace(outcomes(reward_PG), length_PG=length_PG)
    advantage_PG = loss.advantages(given, torch.ones(len(reward_PG)))
    scale_PG, count = loss.aggregation(advantage_PG, length_PG, max_tokens)
    rows, width = reward_PG.numel(), int(length_PG.max())
    logp_BT = torch.zeros(rows, width, requires_grad=True)
    mask_BT = (torch.arange(width) < length_PG.reshape(-1, 1)).float()
    advantage_BT = advantage_PG.reshape(-1, 1) * mask_BT
    loss_BT, _ = loss.surrogate(logp_BT, torch.zeros(rows, width), advantage_BT, mask_BT)
    (loss_BT.sum(1) * (scale_PG / count).flatten()).sum().backward()
    return logp_BT.grad[:, 0].reshape(reward_PG.shape)


# Group 1 has 10 tokens in 4 rollouts, group 2 has 8, group 3 has 20. Wrong rollouts: 8 tokens in group 1, 20 in 3.
BY_HAND = {
    # GRPO's advantages 1.5, -0.5, -0.5, -0.5 over the 10 tokens of the only live group.
    "grpo": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    "dapo": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    # Where the policy is still the one that sampled, every ratio is 1.
    "cispo": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    "topr": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    "aspo": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    # Wide clips, and none.
    "lp_reg": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    "clip_cov": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    "unclipped": [[-0.15, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    # The same, positive ones masked; the denominator still counts all 10 tokens.
    "grpo_n": [[0, 0.05, 0.05, 0.05], [0] * 4, [0] * 4],
    # +1 per wrong token, over the 28 tokens of wrong rollouts.
    "nsr": [[0] + [1 / 28] * 3, [0] * 4, [1 / 28] * 4],
    # -1 per right token, over the 2 + 8 tokens of right rollouts.
    "psr": [[-0.1, 0, 0, 0], [-0.1] * 4, [0] * 4],
    # -0.1 and +1 over all 38 tokens.
    "w_reinforce": [[-0.1 / 38] + [1 / 38] * 3, [-0.1 / 38] * 4, [1 / 38] * 4],
    # Sequence means over 4 sequences: advantage / length / 4.
    "gspo": [[-1.5 / 8, 0.5 / 12, 0.5 / 16, 0.5 / 4], [0] * 4, [0] * 4],
    "gmpo": [[-1.5 / 8, 0.5 / 12, 0.5 / 16, 0.5 / 4], [0] * 4, [0] * 4],
    "gspo_n": [[0, 0.5 / 12, 0.5 / 16, 0.5 / 4], [0] * 4, [0] * 4],
    # Advantages 4/3 of .75 and -.25 over 10 tokens.
    "rloo": [[-0.1, 1 / 30, 1 / 30, 1 / 30], [0] * 4, [0] * 4],
    # .75 and -.25 over 10 tokens, not divided by a std.
    "centred": [[-0.075, 0.025, 0.025, 0.025], [0] * 4, [0] * 4],
    # r less the group's mean: .75 over 2 tokens, -.25 over 8, 0 over 28: token mean -.5/38 = -1/76, sum of squares
    # 2 x .5625 + 8 x .0625 = 1.625, variance (1.625 - 38/76^2) / 37 = .043741, std .209144; all 38 tokens count.
    "reinforce_pp": [
        [-(0.75 + 1 / 76) / 0.209144 / 38] + 3 * [(0.25 - 1 / 76) / 0.209144 / 38],
        *2 * [4 * [-1 / 76 / 0.209144 / 38]],
    ],
    # Five of twelve are 1: variance 12 x 5/12 x 7/12 / 11 = 35/132, std .514929; .75 and -.25 over 10 tokens.
    "lite_ppo": [[-0.75 / 5.14929] + 3 * [0.25 / 5.14929], [0] * 4, [0] * 4],
    # k=2: R = 1 - 3/6 = .5 = s; right 1, wrong (.5 - 2/3) / .5 = -1/3; over 10 tokens.
    "passk": [[-0.1, 1 / 30, 1 / 30, 1 / 30], [0] * 4, [0] * 4],
    # k=4: the three others are all wrong: s = 1, 0, 0, 0 and A = (4 - 1) / 3, (0 - 1) / 3; over 10 tokens.
    "pkpo": [[-0.1, 1 / 30, 1 / 30, 1 / 30], [0] * 4, [0] * 4],
    # .75 and -.25 by 1/4, over 10 tokens.
    "maxrl": [[-0.3, 0.1, 0.1, 0.1], [0] * 4, [0] * 4],
    # With a 1 more: 1,0,0,0,1 has mean .4, variance (2 x .36 + 3 x .16) / 4 = .3; 0,0,0,0,1 has .2 and .2; 30 tokens.
    "ngrpo": [[-0.6 / 0.3**0.5 / 30] + 3 * [0.4 / 0.3**0.5 / 30], [0] * 4, 4 * [0.2**0.5 / 30]],
    # .75 and -.25, 0 and 0, each raised by .1, over all 38 tokens.
    "asym_re": [[-0.85 / 38] + 3 * [0.15 / 38], *2 * [4 * [-0.1 / 38]]],
    # q = .25, .98 and .02: 1 - q and -q, over all 38 tokens.
    "nft": [[-0.75 / 38] + 3 * [0.25 / 38], 4 * [-0.02 / 38], 4 * [0.02 / 38]],
    # Biased variance 3/16: .75 and -.25 by sqrt(3)/4, over 10 tokens; log-probabilities of 0 add nothing.
    "diff_smooth": [[-(3**0.5) / 10] + 3 * [1 / 3**0.5 / 10], [0] * 4, [0] * 4],
    # 0.75 and -0.25 over 4 sequences of at most 10 tokens.
    "dr_grpo": [[-0.75 / 40, 0.25 / 40, 0.25 / 40, 0.25 / 40], [0] * 4, [0] * 4],
}


def test_every_shipped_loss_has_a_golden_value():
    """A new loss's YAML needs a row above."""
    assert {path.stem for path in LOSSES.glob("*.yaml")} == set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_token_gradients_by_hand(name: str):
    """The arithmetic stands beside each row of BY_HAND."""
    torch.testing.assert_close(token_gradients(load(name), REWARDS, LENGTHS), torch.tensor(BY_HAND[name]))


def test_dr_grpo_divides_by_the_length_that_the_rollout_allows():
    """The same advantages over 4 sequences of at most 3,072 tokens."""
    by_hand = torch.tensor([[-0.75, 0.25, 0.25, 0.25], [0] * 4, [0] * 4]) / (4 * 3072)
    torch.testing.assert_close(token_gradients(load("dr_grpo"), REWARDS, LENGTHS, max_tokens=3072), by_hand)


@pytest.mark.parametrize("name", sorted(set(BY_HAND) - OVER_THE_BATCH))
def test_a_group_without_gradient_changes_nothing(name: str):
    """Taking out the groups in which every advantage is 0 leaves the others' gradients as they are."""
    loss = load(name)
    live_P = (loss.advantages(outcomes(REWARDS), torch.ones(3)) != 0).any(dim=1)
    alone = token_gradients(loss, REWARDS[live_P], LENGTHS[live_P])
    torch.testing.assert_close(alone, token_gradients(loss, REWARDS, LENGTHS)[live_P])


@pytest.mark.parametrize(
    ("name", "over", "expected"),
    [
        ("grpo", "all", [-1.5 / 38] + 3 * [0.5 / 38]),  # 10 + 8 + 20 tokens
        ("nsr", "all", [0] + 3 * [1 / 38]),
        ("gspo", "all", [-1.5 / 24, 0.5 / 36, 0.5 / 48, 0.5 / 12]),  # by the own length, 12 sequences
        ("dr_grpo", "all", [-0.75 / 120] + 3 * [0.25 / 120]),  # 12 sequences of 10
        ("grpo_n", "nonzero", [0] + 3 * [0.5 / 8]),  # the 8 tokens of wrong answers in the live group
    ],
)
def test_other_denominators(name: str, over: str, expected: list[float]):
    """Over all, groups without gradient count, as in the released codes."""
    loss = load(name)
    aggregation = partial(loss.aggregation.func, over=over)
    found = token_gradients(replace(loss, aggregation=aggregation), REWARDS, LENGTHS)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_filter_weights_scale_advantages():
    """A group of weight 0 has no gradient; 0.5 halves the advantage."""
    advantage_PG = load("nsr").advantages(outcomes(torch.zeros(3, 2)), torch.tensor([0.0, 0.5, 1.0]))
    assert advantage_PG.tolist() == [[0, 0], [-0.5, -0.5], [-1, -1]]


@pytest.mark.parametrize(
    ("signs", "first"),
    [
        ({"positive": 1.0, "negative": 1.0}, [1.5, -0.5]),
        ({"positive": 0.0, "negative": 1.0}, [0.0, -0.5]),
        ({"positive": 1.0, "negative": 0.0}, [1.5, 0.0]),
        ({"positive": 0.1, "negative": 2.0}, [0.15, -1.0]),
    ],
)
def test_signs_scale_advantages(signs, first):
    """GRPO's 1.5, -.5, -.5, -.5 by the sign's factor; a sign of factor 0 has no gradient."""
    advantage_PG = replace(load("grpo"), signs=signs).advantages(outcomes(REWARDS), torch.ones(3))
    assert advantage_PG[0].tolist() == pytest.approx([first[0]] + 3 * [first[1]], abs=1e-5)
    assert not advantage_PG[1:].any()
    double_PG = replace(load("nsr"), signs={"positive": 1.0, "negative": 0.1}).advantages(
        outcomes(REWARDS.double()), torch.ones(3, dtype=torch.float64)
    )
    assert double_PG[0].tolist() == [0, -0.1, -0.1, -0.1]  # as exactly as the rewards are


def test_a_broken_reward_counts_only_where_it_is_learned_from():
    """No number in a group of weight 0 is 0; elsewhere it stays what it is, whatever sign is kept."""
    broken = torch.tensor([[1.0, torch.nan], [1.0, torch.nan]])
    for name in ("grpo", "grpo_n", "nsr"):
        advantage_PG = load(name).advantages(outcomes(broken), torch.tensor([0.0, 1.0]))
        assert not advantage_PG[0].any()
        assert advantage_PG[1].isnan().any()
