"""Every way in which a rollout batch fills up, or does not."""

from dataclasses import dataclass
from math import ceil

import pytest
import torch
from step_fakes import ALL, HALF, collector, ids, pool, samples, selected

from rlvr.algo import SELF, Dynamic, Filter, ZeroSuccess
from rlvr.ranks import Ranks
from rlvr.step import batch_metrics
from rlvr.step.collector import MAX_OVERDRAW
from rlvr.types import Problem


@dataclass(frozen=True)
class Listed(Filter):
    """Lets through what stands in a list, before sampling, after it, or both."""

    passes_before: frozenset[str] | None = None
    weights: tuple[float, ...] | None = None  # by number of right answers

    def before(self, problems, solved_greedily):
        passes = self.passes_before
        return [problem for problem in problems if passes is None or problem.id in passes]

    def after(self, success_P, group_size):
        table = torch.tensor(self.weights or (1.0,) * (group_size + 1))
        return table[success_P.long()]


def test_a_full_batch_in_one_round():
    """Groups in the order drawn, of the size asked for, sampled at this version; then the engine sleeps."""
    made = collector(pool(10, HALF))
    batch = made.collect(7)
    assert ids(batch) == made.engine.calls[0][0]
    assert (batch.selected, batch.drawn, batch.rounds, batch.version, batch.greedy_tokens) == (4, 4, 1, 7, 0)
    assert [len(group.completions) for group in batch.groups] == [4] * 4
    assert {group.version for group in batch.groups} == {7}
    assert batch.weight_P.tolist() == [1] * 4
    assert batch.place_P.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(batch.advantage_PG[0], torch.tensor([0.866, -0.866] * 2), atol=1e-3, rtol=0)
    assert batch.learned_from() == ids(batch)
    assert made.engine.held == 7
    assert made.engine.asleep
    assert set(made.clock.take()) == {"sync", "sample", "verify"}


def test_every_pass_over_the_pool_draws_each_problem_once():
    """Eight problems, four a step: two steps are a pass."""
    made = collector(pool(8))
    for version in (0, 2):
        assert sorted(ids(made.collect(version)) + ids(made.collect(version + 1))) == list("01234567")


def test_a_filter_that_lets_nothing_through_to_sampling():
    """Nothing is sampled, and the step goes on with nothing: no group, no sample, no metric of rollouts."""
    made = collector(pool(10), Listed(passes_before=frozenset()))
    batch = made.collect(0)
    assert (batch.groups, batch.selected, batch.drawn, batch.rounds) == ((), 0, 4, 1)
    assert batch.advantage_PG.shape == (0, 4)
    assert made.engine.calls == []
    assert samples(batch, minibatches=2) == [[], []]
    assert batch_metrics(batch, Ranks(0, 1)) == {
        "filter/drawn": 4,
        "filter/selected": 0,
        "filter/gated_share": 1,
        "filter/rounds": 1,
        "rollout/greedy_tokens": 0,
        "loss/trained_rollouts": 0,
    }


def test_a_filter_that_selects_nothing_after_grading():
    """The groups are there to be counted, and nothing is learned from them."""
    batch = collector(pool(10, ALL), ZeroSuccess()).collect(0)
    assert (len(batch.groups), batch.selected, batch.rounds) == (4, 0, 1)
    assert batch.place_P.tolist() == [-1] * 4
    assert not batch.advantage_PG.any()
    assert batch.learned_from() == []
    assert samples(batch) == [[]]


def test_no_rounds_at_all():
    """A filter that allows none."""
    batch = collector(pool(10), Filter(max_rounds=0)).collect(0)
    assert (batch.groups, batch.drawn, batch.rounds) == ((), 0, 0)


def test_without_refill_there_is_one_round():
    """Three rounds would be allowed, and the batch stays short; nor do a stored step's rates make it draw more."""
    made = collector([*pool(3, HALF), *(Problem(str(3 + i), "", (), ALL) for i in range(5))], Dynamic(max_rounds=3))
    made.load_state_dict({**made.state_dict(), "rates": [0.5, 0.5]})
    batch = made.collect(0)
    assert (batch.rounds, batch.drawn) == (1, 4)
    assert batch.selected < 4


def test_refill_until_the_batch_is_full():
    """Every second problem is of use."""
    problems = [Problem(str(i), "", (), HALF if i % 2 else ALL) for i in range(40)]
    batch = collector(problems, Dynamic(refill=True, max_rounds=10)).collect(0)
    assert batch.selected == len(selected(batch)) == 4
    assert all(int(name) % 2 for name in selected(batch))
    assert batch.rounds > 1
    assert len(set(ids(batch))) == len(ids(batch)) == batch.drawn


def test_a_pool_that_runs_out():
    """Each problem is tried once in a step, whatever rounds are left."""
    made = collector(pool(6, ALL), Dynamic(refill=True, max_rounds=100))
    batch = made.collect(0)
    assert sorted(ids(batch)) == list("012345")
    assert (batch.selected, batch.drawn, batch.rounds) == (0, 6, 2)


def test_max_rounds():
    """The step goes on with what there is."""
    batch = collector(pool(500, ALL), Dynamic(refill=True, max_rounds=2)).collect(0)
    assert (batch.selected, batch.rounds) == (0, 2)


def test_a_round_draws_no_more_than_the_bound():
    """4 missing, nothing selected: 8 x 4 next, and in the next step at once."""
    made = collector(pool(500, ALL), Dynamic(refill=True, max_rounds=3))
    made.collect(0)
    assert [len(call[0]) for call in made.engine.calls] == [4, 4 * MAX_OVERDRAW, 4 * MAX_OVERDRAW]
    assert made.rates == (1.0, 1 / MAX_OVERDRAW)
    made.collect(1)
    assert [len(call[0]) for call in made.engine.calls[3:]] == [4 * MAX_OVERDRAW] * 3


@pytest.mark.parametrize("both", [False, True])
def test_a_round_without_candidates_says_nothing_of_what_comes_after(both: bool):
    """Nothing was sampled, so nothing is known of the filter's second half: what is drawn stays within the bound, and
    no more is sampled than is missing."""
    easy, hard = pool(500, HALF, prompt="easy"), [Problem(f"hard{i}", "", (), HALF) for i in range(500)]
    made = collector(easy, SELF(refill=True, max_rounds=2))
    batch = made.collect(0)
    assert [len(call[0]) for call in made.engine.calls] == [4, 4 * MAX_OVERDRAW]
    assert (batch.groups, made.rates) == ((), (1 / MAX_OVERDRAW, 1.0))
    made.cursor = collector(hard).cursor
    if both:
        made.rates = (1 / MAX_OVERDRAW, 1 / MAX_OVERDRAW)
    made.engine.calls.clear()
    batch = made.collect(1)
    greedy, sampled = made.engine.calls
    assert len(greedy[0]) == 4 * MAX_OVERDRAW
    assert len(sampled[0]) == (4 * MAX_OVERDRAW if both else 4)
    assert batch.selected == 4


def test_the_next_step_begins_with_the_rates_of_the_last():
    """Half of the pool is of use: what that looked like says how many are drawn at first for 20."""
    problems = [Problem(str(i), "", (), HALF if i % 2 else ALL) for i in range(400)]
    made = collector(problems, Dynamic(refill=True, max_rounds=10), per_step=20)
    made.collect(0)
    assert len(made.engine.calls[0][0]) == 20
    assert 0.3 < made.rates[1] < 0.8
    expected = ceil(20 / made.rates[1])
    made.engine.calls.clear()
    made.collect(1)
    assert len(made.engine.calls[0][0]) == expected


def test_candidates_to_spare_come_first_in_the_next_step():
    """The last step let a quarter through, in this one all pass: 16 are asked for 4, and 12 keep their turn."""
    made = collector(pool(100, HALF), Listed(refill=True, passes_before=frozenset(map(str, range(100)))))
    made.rates = (0.25, 1.0)
    order = [problem.id for problem in collector(pool(100)).cursor.draw(24)]
    first = made.collect(0)
    assert ids(first) == order[:4]
    assert first.drawn == 4  # those put back do not count
    made.rates = (1.0, 1.0)
    assert ids(made.collect(1)) == order[4:8]
    assert ids(made.collect(2)) == order[8:12]


def test_what_a_round_brings_beyond_a_full_batch_weighs_nothing():
    """8 were sampled for 4 and all pass: the last 4 have no weight, no advantage, no place and no sample."""
    made = collector(pool(50, HALF), Dynamic(refill=True))
    made.rates = (1.0, 0.5)
    batch = made.collect(0)
    assert batch.weight_P.tolist() == [1] * 4 + [0] * 4
    assert batch.place_P.tolist() == [0, 1, 2, 3] + [-1] * 4
    assert (batch.selected, batch.drawn) == (4, 8)
    assert not batch.advantage_PG[4:].any()
    assert batch.learned_from() == ids(batch)[:4]
    assert {sample.problem.id for sample in samples(batch)[0]} == set(ids(batch)[:4])
    assert made.rates == (1.0, 1.0)  # what would have fitted counts, so that the next step does not overdraw again
