"""Steps with filters that remember: stored, resumed, on one rank and on many, with a pool that runs out."""

import json
from collections.abc import Callable

import pytest
import torch
from step_fakes import ALL, HALF, SIGNED, collector, ids, on_ranks, pool

from rlvr.algo import BBGPosterior, Filter, RetireSolved
from rlvr.ranks import Ranks
from rlvr.step import RolloutBatch
from rlvr.types import Problem

PROBLEMS = [Problem(str(i), "", (1,), f"rate {i % 5 / 4}") for i in range(23)]
FRESH: list[Callable[[], Filter]] = [
    lambda: RetireSolved(refill=True, max_rounds=4, epochs=2),
    lambda: BBGPosterior(refill=True, max_rounds=3, k=4, weighting="share", discount=0.7),
]
STEPS = 8


def made(fresh: Callable[[], Filter], ranks: Ranks):
    return collector(PROBLEMS, fresh(), SIGNED, per_step=5, ranks=ranks)


def told(batches: list[RolloutBatch]) -> dict[str, tuple[float, list[float], str]]:
    """Weight, advantages and answers of every group of all ranks."""
    return {
        group.problem.id: (float(weight), advantage_G.tolist(), str(group.completions))
        for batch in batches
        for group, weight, advantage_G in zip(batch.groups, batch.weight_P, batch.advantage_PG, strict=True)
    }


def course(fresh: Callable[[], Filter], size: int, state: str | None = None, first: int = 0):
    """What each of the steps from `first` on holds, and the state before it, which all ranks have alike."""

    def work(ranks: Ranks):
        one = made(fresh, ranks)
        if state is not None:
            one.load_state_dict(json.loads(state))
        return [(json.dumps(one.state_dict()), one.collect(version)) for version in range(first, STEPS)]

    steps = []
    for of_ranks in zip(*on_ranks(size, work), strict=True):
        states, batches = zip(*of_ranks, strict=True)
        assert len(set(states)) == 1
        steps.append((states[0], told(list(batches))))
    return steps


@pytest.mark.parametrize("fresh", FRESH, ids=["retire", "posterior"])
def test_going_on_is_as_if_never_stopped_on_any_number_of_ranks(fresh: Callable[[], Filter]):
    """Stopped before each step on 1, 2 or 3 ranks, gone on with on 1, 2 or 3."""
    whole = course(fresh, 1)
    assert course(fresh, 2) == whole
    assert course(fresh, 3) == whole
    for first, (state, _) in enumerate(whole):
        assert course(fresh, 1 + first % 3, state, first) == whole[first:]
    assert any(json.loads(state)["filter"] != json.loads(whole[0][0])["filter"] for state, _ in whole)


def test_what_is_remembered_matters():
    """The same pool, filters without a memory of it: other batches."""
    for fresh, plain in zip(FRESH, (Filter(refill=True, max_rounds=4), BBGPosterior(discount=0)), strict=True):
        assert [step for _, step in course(fresh, 1)] != [step for _, step in course(lambda plain=plain: plain, 1)]


def test_a_filter_without_memory_writes_nothing():
    """Nor does one that has forgotten everything harm what is loaded."""
    one = collector(pool(8))
    one.collect(0)
    assert set(one.state_dict()) == {"cursor", "rates"}


def test_a_pool_that_is_all_solved():
    """Batches are empty until the turns are over: no endless drawing, and each problem misses exactly one turn."""
    one = collector(pool(8, ALL), RetireSolved(refill=True, max_rounds=8, epochs=1))
    first, second = one.collect(0), one.collect(1)
    assert sorted(ids(first) + ids(second)) == list("01234567")
    third = one.collect(2)
    assert (third.groups, third.selected) == ((), 0)
    assert third.rounds <= 8
    assert not third.advantage_PG.numel()
    back = one.collect(3)
    assert back.selected == 4


def test_candidates_to_spare_miss_no_turn():
    """What passes and is put back comes next, and nothing that is retired is in its way."""
    one = collector(pool(12, HALF), RetireSolved(refill=True))
    one.rates = (0.25, 1.0)
    order = [problem.id for problem in collector(pool(12)).cursor.draw(12)]
    assert ids(one.collect(0)) == order[:4]
    one.rates = (1.0, 1.0)
    assert ids(one.collect(1)) == order[4:8]
    assert torch.equal(one.collect(2).weight_P, torch.ones(4))
