"""Choices among all tokens of an optimizer step: the same ones on any number of ranks, of the policy's tokens alone."""

import random

import pytest
import torch
from step_fakes import GRPO, FakeEngine, collector, on_ranks, pool

from rlvr.algo import ClipCov, KLCov, LpReg
from rlvr.algo.choices import covariance
from rlvr.ranks import Ranks
from rlvr.step import RolloutBatch, TrainingSample, training_samples
from rlvr.types import Completion, Group, Problem, Verdict

ALONE = Ranks(0, 1)
TERMS = (ClipCov("", 0.1, 0.0, 5.0), KLCov(1.0, 0.1), LpReg(1.0, 0.1, 0.02))


class Uneven(FakeEngine):
    """Completions whose tokens are not equally likely, every third of them a tool's."""

    def _one(self, problem, sampling, seed, index):
        made = super()._one(problem, sampling, seed, index)
        draw = random.Random(f"{problem.id}/{seed}/{index}")
        logps = tuple(-draw.expovariate(1) for _ in made.token_ids)
        return Completion(made.token_ids, logps, made.text, made.finish, tuple(i % 3 != 1 for i in range(len(logps))))


def steps(ranks: Ranks, minibatches: int, every: bool = True) -> list[list[TrainingSample]]:
    problems = [Problem(str(i), "", (1, 2), "rate 0.5" if i % 2 else "right 1") for i in range(40)]
    made = collector(problems, per_step=7, ranks=ranks, engine=Uneven())
    return training_samples(made.collect(0), GRPO, 8, minibatches, ranks, every, TERMS)


def by_completion(parts: list[list[TrainingSample]]) -> dict[tuple[str, Completion], list[list[float]]]:
    return {
        (sample.problem.id, sample.completion): [sample.chosen[term].tolist() for term in TERMS]
        for part in parts
        for sample in part
    }


@pytest.mark.parametrize("minibatches", [1, 3])
def test_the_same_tokens_on_any_number_of_ranks(minibatches: int):
    """Also what is drawn; another step draws anew."""
    one, two, three = (
        [by_completion(parts) for parts in zip(*on_ranks(size, lambda ranks: steps(ranks, minibatches)), strict=True)]
        for size in (1, 2, 3)
    )
    assert one == two == three
    assert len(one) == minibatches
    for term in range(len(TERMS)):
        assert sum(sum(chosen[term]) for step in one for chosen in step.values()) >= 1


def test_equal_to_a_choice_over_all_tokens_of_the_step():
    """Of those that the policy wrote, and of no other; completions that teach nothing have a say, too."""
    (samples,) = steps(ALONE, 1)
    (fewer,) = steps(ALONE, 1, every=False)
    assert len(fewer) < len(samples)
    tokens = [
        (sample.advantage, logp, *(float(sample.chosen[term][place]) for term in TERMS))
        for sample in samples
        for place, logp in enumerate(sample.completion.logps)
        if sample.completion.trainable[place]
    ]
    advantage_M, logp_M, *chosen = torch.tensor(tokens).unbind(1)
    for term, chosen_M in zip(TERMS, chosen, strict=True):
        assert torch.equal(chosen_M.bool(), term.choose(advantage_M, logp_M, torch.Generator().manual_seed(0)))
        of_others = [
            sample.chosen[term][~torch.tensor(sample.completion.trainable)].any() for sample in (*samples, *fewer)
        ]
        assert not any(of_others)
    least = covariance(advantage_M, logp_M)[chosen[1].bool()].min()
    assert bool((covariance(advantage_M, logp_M)[~chosen[1].bool()] <= least).all())
    again = by_completion([samples])
    assert all(again[key] == value for key, value in by_completion([fewer]).items())


def test_by_hand():
    """Means 0 and -2: covariances 1 -1 | 1 -1, 0: the first of the largest, then the other; a tool's token is none."""
    right = Completion((1, 2, 3), (-1.0, -9.0, -3.0), "", "stop", (True, False, True))
    wrong = Completion((1, 2), (-3.0, -1.0), "", "stop")
    group = Group(Problem("0", "", (1,), ""), (right, wrong), (Verdict("right", 1.0), Verdict("wrong", 0.0)), 0)
    one = torch.tensor([0])
    batch = RolloutBatch((group,), torch.ones(1), torch.tensor([[1.0, -1.0]]), one, 1, 1, 1, 0, 0)
    half, quarter = KLCov(1.0, 0.5), LpReg(1.0, 0.5, 0.02)
    ((first, second),) = training_samples(batch, GRPO, 8, 1, ALONE, choosers=(half, quarter))
    assert [first.chosen[half].tolist(), second.chosen[half].tolist()] == [[1, 0, 0], [1, 0]]
    assert [first.chosen[quarter].tolist(), second.chosen[quarter].tolist()] == [[0, 0, 0], [1, 0]]


def test_nothing_where_nobody_chooses_and_a_step_without_groups():
    """No sample carries anything; more minibatches than groups leave empty steps."""
    made = collector(pool(8), engine=Uneven())
    batch = made.collect(0)
    assert not any(sample.chosen for sample in training_samples(batch, GRPO, 8, 1, ALONE)[0])
    assert [len(step) for step in training_samples(batch, GRPO, 8, 6, ALONE, True, TERMS)][4:] == [0, 0]
