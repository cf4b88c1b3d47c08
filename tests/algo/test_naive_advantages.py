"""Every advantage against its formula in plain Python, completion by completion, and what holds for all of them."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from math import sqrt
from statistics import fmean, pstdev, pvariance, stdev

import pytest
import torch
from torch import Tensor

from rlvr.algo import Outcomes
from rlvr.algo.advantages import asym_re, centred, diff_smooth, group_normalised, ngrpo, rloo, signed
from rlvr.algo.batch_advantages import lite_ppo, reinforce_pp
from rlvr.algo.success_advantages import maxrl, nft, passk, pkpo

Group = list[dict[str, float]]
"""Of each completion: reward, right, length, logp."""


def rewards(group: Group) -> list[float]:
    return [one["reward"] for one in group]


def of_each(formula: Callable[[Group, int], float]) -> Callable[[list[Group]], list[list[float]]]:
    """A formula of one completion of its group, for all."""
    return lambda groups: [[formula(group, i) for i in range(len(group))] for group in groups]


def naive_rloo(group: Group, i: int) -> float:
    return group[i]["reward"] - fmean(r for j, r in enumerate(rewards(group)) if j != i)


def naive_ngrpo(group: Group, i: int) -> float:
    if all(one["right"] for one in group):
        return 0.0
    more = [*rewards(group), 1.0]
    return (group[i]["reward"] - fmean(more)) / (stdev(more) + 1e-6)


def naive_diff_smooth(group: Group, i: int) -> float:
    given = rewards(group)
    smooth = (-0.05 if group[i]["right"] else 0.05) * group[i]["logp"]
    return (given[i] - fmean(given)) / (pstdev(given) + 1e-6) + smooth


def naive_passk(group: Group, i: int, k: int = 3) -> float:
    """All sets of k: 1 where one of them is right; normalised over sets, then the mean of the sets with i in them."""
    sets = list(combinations(range(len(group)), k))
    worth = [float(any(group[j]["right"] for j in chosen)) for chosen in sets]
    scale = pstdev(worth) + 1e-6
    return fmean((w - fmean(worth)) / scale for w, chosen in zip(worth, sets, strict=True) if i in chosen)


def naive_pkpo(group: Group, i: int, k: int = 3) -> float:
    def worth(j: int) -> float:
        others = [one for place, one in enumerate(group) if place != j]
        return group[j]["right"] * fmean(not any(o["right"] for o in some) for some in combinations(others, k - 1))

    return worth(i) - fmean(worth(j) for j in range(len(group)) if j != i)


def naive_maxrl(group: Group, i: int) -> float:
    rate = fmean(one["right"] for one in group)
    return (group[i]["reward"] - fmean(rewards(group))) / (rate + 1e-6) if rate else 0.0


def naive_nft(group: Group, i: int) -> float:
    rate = min(max(fmean(one["right"] for one in group), 0.02), 0.98)
    return 1 - rate if group[i]["right"] else -rate


def naive_lite_ppo(groups: list[Group]) -> list[list[float]]:
    scale = stdev(r for group in groups for r in rewards(group)) + 1e-6
    return [[(r - fmean(rewards(group))) / scale for r in rewards(group)] for group in groups]


def naive_reinforce_pp(groups: list[Group]) -> list[list[float]]:
    """Token by token."""
    values = [[r - fmean(rewards(group)) for r in rewards(group)] for group in groups]
    tokens = [
        value
        for group, of_group in zip(groups, values, strict=True)
        for one, value in zip(group, of_group, strict=True)
        for _ in range(int(one["length"]))
    ]
    variance = pvariance(tokens) * len(tokens) / (len(tokens) - 1)
    return [[(value - fmean(tokens)) / sqrt(variance + 1e-8) for value in of_group] for of_group in values]


NAIVE = {
    rloo: of_each(naive_rloo),
    ngrpo: of_each(naive_ngrpo),
    partial(asym_re, delta=-0.1): of_each(lambda group, i: group[i]["reward"] - (fmean(rewards(group)) - 0.1)),
    partial(diff_smooth, smoothing=0.05): of_each(naive_diff_smooth),
    partial(passk, k=3): of_each(naive_passk),
    partial(pkpo, k=3): of_each(naive_pkpo),
    partial(nft, floor=0.02): of_each(naive_nft),
    maxrl: of_each(naive_maxrl),
    lite_ppo: naive_lite_ppo,
    reinforce_pp: naive_reinforce_pp,
}
ALL = [*NAIVE, group_normalised, centred, partial(signed, right=1.0, wrong=-1.0)]
# What learns from a group of equal answers, and says so.
FROM_EQUAL = {"asym_re", "diff_smooth", "reinforce_pp", "signed", "ngrpo", "nft"}


def name_of(advantage: Callable[..., Tensor]) -> str:
    return getattr(advantage, "func", advantage).__name__


def drawn(seed: int, parts: bool = False) -> Outcomes:
    """Twelve groups of six, from hard to easy, one without and one with right answers only; float64."""
    generator = torch.Generator().manual_seed(seed)
    chance_P1 = torch.linspace(0, 1, 12, dtype=torch.float64)[:, None]
    right_PG = torch.rand(12, 6, generator=generator, dtype=torch.float64) < chance_P1
    reward_PG = right_PG.double()
    if parts:
        reward_PG = reward_PG + 0.3 * torch.rand(12, 6, generator=generator, dtype=torch.float64)
    length_PG = torch.randint(1, 9, (12, 6), generator=generator).double()
    logp_PG = -torch.rand(12, 6, generator=generator, dtype=torch.float64)
    return Outcomes(reward_PG, right_PG, length_PG, length_PG == 8, logp_PG, 8)


def as_groups(given: Outcomes) -> list[Group]:
    names = ("reward", "right", "length", "logp")
    streams = (given.reward_PG, given.right_PG, given.length_PG, given.logp_PG)
    return [
        [dict(zip(names, map(float, one), strict=True)) for one in zip(*of_group, strict=True)]
        for of_group in zip(*(stream.tolist() for stream in streams), strict=True)
    ]


@pytest.mark.parametrize("parts", [False, True], ids=["0 or 1", "parts"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("advantage", NAIVE, ids=name_of)
def test_equals_the_formula(advantage, seed: int, parts: bool):
    """Also with rewards that are more than right or wrong."""
    given = drawn(seed, parts)
    expected = torch.tensor(NAIVE[advantage](as_groups(given)), dtype=torch.float64)
    torch.testing.assert_close(advantage(given), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("advantage", ALL, ids=name_of)
def test_permutations(advantage):
    """Neither the order of a group's completions nor that of the groups means anything."""
    given, generator = drawn(0, parts=True), torch.Generator().manual_seed(1)
    order_P, order_G = torch.randperm(12, generator=generator), torch.randperm(6, generator=generator)
    streams = (given.reward_PG, given.right_PG, given.length_PG, given.truncated_PG, given.logp_PG)
    permuted = Outcomes(*(stream[order_P][:, order_G] for stream in streams), given.max_tokens)
    torch.testing.assert_close(advantage(permuted), advantage(given)[order_P][:, order_G], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reward", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("advantage", ALL, ids=name_of)
def test_equal_answers_get_exactly_zero_or_are_learned_from(advantage, reward: float):
    """0 is what spares a group the forward pass; the third group of the batch is a mixed one."""
    reward_PG = torch.full((3, 8), reward)
    reward_PG[2, 3:] = 1 - reward
    length_PG = torch.arange(1.0, 25).reshape(3, 8)
    given = Outcomes(reward_PG, reward_PG == 1, length_PG, logp_PG=torch.full((3, 8), -0.5))
    learns = name_of(advantage) in FROM_EQUAL and not (name_of(advantage) == "ngrpo" and reward == 1)
    assert bool(advantage(given)[:2].any()) == learns


@pytest.mark.parametrize("advantage", ALL, ids=name_of)
def test_a_reward_that_is_no_number_gives_no_number(advantage):
    """It must not pass for an answer."""
    reward_PG = torch.tensor([[1.0, torch.nan, 0.0, 0.0]])
    assert advantage(Outcomes(reward_PG, reward_PG == 1))[0, 1].isnan()


def test_passk_by_hand():
    """N = 4, k = 2. m = 1: R = 1 - 3/6, s = 1/2: 1 and (1/2 - 2/3) / (1/2) = -1/3. m = 2: R = 1 - 1/6, s = sqrt(5)/6:
    (1/6) / s = 1/sqrt(5) and (1/6 - 1/3) / s = -1/sqrt(5). m = 3: no pair is wrong."""
    reward_PG = torch.tensor([[1.0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]])
    found = passk(Outcomes(reward_PG, reward_PG == 1), k=2)
    r = 5**-0.5
    expected = torch.tensor([[1, -1 / 3, -1 / 3, -1 / 3], [r, r, -r, -r], [0, 0, 0, 0]])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_pkpo_by_hand():
    """N = 4, k = 2, m = 2: a right answer is worth the chance 2/3 that the other one is wrong; the others' mean is 2/9
    for it and 4/9 for a wrong one: 4/9 and -4/9. m = 3: worth 1/3; others' means 2/9 and 1/3: 1/9 and -1/3."""
    reward_PG = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 0]])
    found = pkpo(Outcomes(reward_PG, reward_PG == 1), k=2)
    expected = torch.tensor([[4 / 9, 4 / 9, -4 / 9, -4 / 9], [1 / 9, 1 / 9, 1 / 9, -1 / 3]])
    torch.testing.assert_close(found, expected)


def test_diff_smooth_by_hand():
    """R = 1, 0: biased std 1/2: 1 and -1; mean log-probabilities -2 and -4, .05 a nat: 1 + .1 and -1 - .2."""
    reward_PG = torch.tensor([[1.0, 0.0]])
    given = Outcomes(reward_PG, reward_PG == 1, logp_PG=torch.tensor([[-2.0, -4.0]]))
    assert diff_smooth(given, smoothing=0.05)[0].tolist() == pytest.approx([1.1, -1.2], abs=1e-5)
