"""Samples travel to the rank that learns from them, as if all had been pooled."""

import random
from itertools import chain

import pytest

from rlvr.scoring.dealing import deal, micro_batches, pieces_of
from rlvr.scoring.sharing import shared_out
from rlvr.step import TrainingSample
from rlvr.types import Completion, Problem
from tests.step.step_fakes import on_ranks

BUDGET = 200


def drawn(seed: int, problems: int) -> list[TrainingSample]:
    """Four completions of each problem, of many lengths."""
    generator = random.Random(seed)
    made = []
    for number in range(problems):
        problem = Problem(f"{seed}-{number}", "a text", tuple(range(generator.randint(1, 9))), "an answer")
        for advantage in range(1, 5):
            length = generator.randint(1, 60)
            ids = tuple(generator.randrange(100) for _ in range(length))
            made.append(TrainingSample(problem, Completion(ids, (-1.0,) * length, "text", "stop"), advantage))
    return made


def key(sample: TrainingSample) -> tuple:
    return sample.problem_id, sample.completion.token_ids, sample.completion.logps, sample.advantage


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_as_if_all_were_pooled(seed: int, size: int):
    """Each rank's micro-batches are those that dealing out all ranks' samples gives; a rank may hold none."""
    generator = random.Random(seed)
    held = [[drawn(100 * rank + step, generator.randint(0, 9)) for step in range(2)] for rank in range(size)]
    got = on_ranks(size, lambda ranks: shared_out(held[ranks.rank], BUDGET, ranks))
    pieces = [pieces_of(list(chain.from_iterable(step)), BUDGET) for step in zip(*held, strict=True)]
    count = max(micro_batches(of_step, BUDGET, size) for of_step in pieces)
    for rank, steps in enumerate(got):
        for of_step, micro in zip(pieces, steps, strict=True):
            wanted = deal(of_step, count * size)[rank::size]
            assert [list(map(key, part)) for part in micro] == [
                list(map(key, chain.from_iterable(part))) for part in wanted
            ]


def test_texts_stay_where_they_are():
    """A rank's own samples are the ones it had; those of another come without their texts."""
    held = [[drawn(rank, 6)] for rank in range(2)]
    for rank, steps in enumerate(on_ranks(2, lambda ranks: shared_out(held[ranks.rank], BUDGET, ranks))):
        got = list(chain.from_iterable(steps[0]))
        own = [sample for sample in got if any(sample is other for other in held[rank][0])]
        foreign = [sample for sample in got if not any(sample is other for other in held[rank][0])]
        assert own
        assert foreign
        assert all(sample.problem.prompt == sample.completion.text == sample.problem.answer == "" for sample in foreign)
