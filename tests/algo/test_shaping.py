"""Reward shaping: by hand, against loops, and composed with advantages."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rlvr.algo import GRPOLambda, LengthPenalty, Loss, Outcomes, Overlong, SelfAligned, Shaping, Unlikeliness

CONFIGS = Path(__file__).parents[2] / "configs" / "algo"
SHAPINGS = sorted(path.stem for path in (CONFIGS / "shaping").glob("*.yaml") if path.stem != "none")


def load(name: str) -> Shaping:
    return instantiate(OmegaConf.load(CONFIGS / "shaping" / f"{name}.yaml"))


def grpo(shaping: Shaping | None) -> Loss:
    return replace(instantiate(OmegaConf.load(CONFIGS / "loss" / "grpo.yaml")), shaping=shaping)


def drawn(seed: int) -> Outcomes:
    """Eight groups of four at a limit of 10 tokens, with parts of rewards; the first is all right, the second none."""
    generator = torch.Generator().manual_seed(seed)
    right_PG = torch.rand(8, 4, generator=generator) < 0.5
    right_PG[0], right_PG[1] = True, False
    reward_PG = right_PG + 0.3 * torch.rand(8, 4, generator=generator, dtype=torch.float64)
    length_PG = torch.randint(1, 11, (8, 4), generator=generator).double()
    logp_PG, alone_PG = -torch.rand(2, 8, 4, generator=generator, dtype=torch.float64)
    return Outcomes(reward_PG, right_PG, length_PG, length_PG == 10, logp_PG, 10, 3 * alone_PG)


def one_group(length_G: list[float], right_G: list[bool], logp_G: list[float]) -> Outcomes:
    right_PG = torch.tensor([right_G])
    return Outcomes(right_PG.float(), right_PG, torch.tensor([length_G]), right_PG, torch.tensor([logp_G]), 100)


def test_overlong_by_hand():
    """Limit 100, buffer 20: nothing up to 80, -1/2 at 90, -1 at 100; right or wrong."""
    given = one_group([50, 80, 90, 100], [True, False, True, False], [0] * 4)
    assert Overlong("", buffer=0.2, penalty=1.0)(given)[0].tolist() == pytest.approx([1, 0, 0.5, -1])


def test_length_penalty_by_hand():
    """A right answer of half the limit loses half of .2; a wrong one nothing."""
    given = one_group([50, 50, 100, 0], [True, False, True, True], [0] * 4)
    assert LengthPenalty("", 0.2)(given)[0].tolist() == pytest.approx([0.9, 0, 0.8, 1])


def test_unlikeliness_by_hand():
    """Whole answers' log-probabilities -2, -4, -1, -4: ranks 3, 2, 4, 2 of 4; 1 - .25 rank / 4 for right ones."""
    given = one_group([2, 4, 1, 8], [True, True, False, True], [-1, -1, -1, -0.5])
    assert Unlikeliness("", 0.25)(given)[0].tolist() == pytest.approx([1 - 0.1875, 0.875, 0, 0.875])


def test_grpo_lambda_by_hand():
    """Right are 2, 1, 2, 0: the best quarter is one group, and the other one of two right answers is as good."""
    right_PG = torch.tensor([[1, 1], [1, 0], [1, 1], [0, 0]]).bool()
    given = Outcomes(right_PG.float(), right_PG, torch.full((4, 2), 50.0), max_tokens=100)
    found = GRPOLambda("", share=0.25, coefficient=0.2)(given)
    torch.testing.assert_close(found, torch.tensor([[0.9, 0.9], [1, 0], [0.9, 0.9], [0, 0]]))


def test_self_aligned_by_hand():
    """Perplexities 2 after the question, and 4, 2, 1.6, 1 without it: + .2 x (1/2, 0, -1/4, -1); right or wrong."""
    given = one_group([5] * 4, [True, False, True, False], [-math.log(2)] * 4)
    given = replace(given, standalone_logp_PG=-torch.tensor([[4, 2, 1.6, 1]]).log())
    assert SelfAligned("", 0.2)(given)[0].tolist() == pytest.approx([1.1, 0, 0.95, -0.2])


def test_an_answer_that_only_its_question_makes_possible_gains_the_whole_coefficient():
    """A perplexity that no float holds; and one so small after the question that the loss is bounded."""
    given = one_group([5] * 2, [True, True], [-1.0, -1e4])
    given = replace(given, standalone_logp_PG=torch.tensor([[-1e4, -1.0]]))
    assert SelfAligned("", 0.2)(given)[0].tolist() == pytest.approx([1.2, 0.8])


def naive(name: str, given: Outcomes) -> list[list[float]]:
    """Completion by completion, with the numbers of the YAML files."""
    n = given.reward_PG.shape[1]
    streams = (given.reward_PG, given.right_PG, given.length_PG, given.logp_PG, given.standalone_logp_PG)
    groups = [list(zip(*of_group, strict=True)) for of_group in zip(*(s.tolist() for s in streams), strict=True)]
    best = sorted((sum(right for _, right, *_ in group) for group in groups), reverse=True)
    shaped = []
    for group in groups:
        penalised = name == "length_penalty" or (
            name == "grpo_lambda" and sum(right for _, right, *_ in group) >= best[1]  # 20 % of 8: two groups
        )
        shaped.append([])
        for reward, right, length, logp, alone_logp in group:
            rank = sum(other * tokens <= logp * length for _, _, tokens, other, _ in group)
            after, alone = math.exp(-logp), math.exp(-alone_logp)
            if name == "overlong":
                reward += min(-(length - 8) / 2, 0)
            elif name == "unlikeliness" and right:
                reward *= 1 - 0.25 * rank / n
            elif name == "self_aligned":
                reward += 0.2 * max((alone - after) / (alone + 1e-9), -1)
            elif penalised and right:
                reward -= 0.2 * length / 10
            shaped[-1].append(reward)
    return shaped


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SHAPINGS)
def test_equals_the_formula(name: str, seed: int):
    given = drawn(seed)
    torch.testing.assert_close(load(name)(given), torch.tensor(naive(name, given), dtype=torch.float64))


@pytest.mark.parametrize("name", SHAPINGS)
def test_permutations(name: str):
    """Neither the order of a group's completions nor that of the groups means anything."""
    given, generator = drawn(0), torch.Generator().manual_seed(1)
    order_P, order_G = torch.randperm(8, generator=generator), torch.randperm(4, generator=generator)
    streams = {
        name: stream[order_P][:, order_G] for name, stream in vars(given).items() if isinstance(stream, torch.Tensor)
    }
    permuted = replace(given, **streams)
    torch.testing.assert_close(load(name)(permuted), load(name)(given)[order_P][:, order_G])


def test_the_advantage_sees_shaped_rewards():
    """Rewards 1, 0, .5, -1: mean .125, and a group of right answers learns where their lengths differ."""
    given = one_group([50, 80, 90, 100], [True, False, True, False], [0] * 4)
    shaped = grpo(Overlong("", 0.2, 1.0)).advantages(given, torch.ones(1))[0]
    reward_G = torch.tensor([1.0, 0.0, 0.5, -1.0])
    torch.testing.assert_close(shaped, (reward_G - 0.125) / (reward_G.std() + 1e-6))
    solved = one_group([50, 50, 90, 100], [True] * 4, [0] * 4)
    assert not grpo(None).advantages(solved, torch.ones(1)).any()
    assert grpo(LengthPenalty("", 0.2)).advantages(solved, torch.ones(1)).all()


@pytest.mark.parametrize("name", SHAPINGS)
def test_a_reward_that_is_no_number_stays_none(name: str):
    reward_PG = torch.tensor([[1.0, torch.nan, 0.0]])
    assert load(name)(Outcomes(reward_PG, reward_PG == 1))[0].isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("name", SHAPINGS)
def test_who_asks_for_answers_without_their_questions(name: str):
    """Only the shaping that compares them: to others they would be a forward pass for nothing."""
    assert grpo(load(name)).reads_standalone is (name == "self_aligned")
    assert not grpo(None).reads_standalone
