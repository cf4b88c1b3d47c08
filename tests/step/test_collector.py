"""Every way in which a rollout batch fills up, or does not."""

import json
from dataclasses import dataclass
from math import ceil

import pytest
import torch
from step_fakes import GRPO, SIGNED, FakeEngine, collector, pool

from rlvr.algo import BBG, SELF, Dynamic, Filter, ZeroSuccess
from rlvr.ranks import Ranks
from rlvr.rollout.engine import StaleEngineError
from rlvr.step import RolloutBatch, batch_metrics, training_samples
from rlvr.step.collector import MAX_OVERDRAW
from rlvr.types import Problem

HALF, NONE, ALL = "right 1|wrong 0", "wrong 0", "right 1"  # answers: what the completions are worth, in turn


def ids(batch: RolloutBatch) -> list[str]:
    return [group.problem.id for group in batch.groups]


def selected(batch: RolloutBatch) -> list[str]:
    return [name for name, place in zip(ids(batch), batch.place_P.tolist(), strict=True) if place >= 0]


def samples(batch: RolloutBatch, loss=GRPO, minibatches: int = 1):
    return training_samples(batch, loss, 8, minibatches, Ranks(0, 1))


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


def test_the_weight_of_a_filter_scales_advantages():
    """Two of four right, u(2)/u(1) by BBG's share: advantages are those of weight 1 times it."""
    plain = collector(pool(9, HALF), loss=SIGNED).collect(0)
    shared = collector(pool(9, HALF), BBG(weighting="gain"), loss=SIGNED).collect(0)
    assert 0 < shared.weight_P[0] < 1
    assert torch.equal(shared.advantage_PG, plain.advantage_PG * shared.weight_P[:, None])


def test_greedy_answers_are_asked_for_and_counted():
    """One a problem at temperature 0, its tokens apart from those of the rollouts."""
    problems = [Problem(str(i), "easy" if i % 2 else "", (), HALF) for i in range(20)]
    made = collector(problems, SELF())
    batch = made.collect(0)
    greedy, sampled = made.engine.calls
    assert greedy[1:3] == (1, 0.0)
    assert sampled[0] == [name for name in greedy[0] if int(name) % 2 == 0]
    again = FakeEngine(held=0)
    drawn = [problems[int(name)] for name in greedy[0]]
    answers = again.generate(drawn, 1, made.sampling.__class__(8, 0.0), 0, 0)
    assert batch.greedy_tokens == sum(len(one.token_ids) for (one,) in answers) > 0
    assert set(made.clock.take()) == {"sync", "greedy", "sample", "verify"}


def test_seeds_differ_by_round_version_and_run():
    """And are the same for the same."""

    def seeds(seed: int) -> list[int]:
        made = collector(pool(500, ALL), Dynamic(refill=True, max_rounds=3), seed=seed)
        made.collect(0)
        made.collect(1)
        return [call[3] for call in made.engine.calls]

    assert len({*seeds(0), *seeds(1)}) == 12
    assert seeds(0) == seeds(0)


@pytest.mark.parametrize("filter", [Dynamic(refill=True, max_rounds=5), SELF(refill=True, max_rounds=5)])
def test_a_stored_collector_goes_on_as_if_never_stopped(filter: Filter):
    """Through JSON, after each of four steps."""

    def made():
        problems = [Problem(str(i), "easy" if i % 3 else "", (), f"rate {i % 5 / 4}") for i in range(60)]
        return collector(problems, filter)

    through = made()
    batches, states = [], []
    for version in range(5):
        states.append(json.dumps(through.state_dict()))
        batches.append(through.collect(version))
    for version, state in enumerate(states):
        resumed = made()
        resumed.load_state_dict(json.loads(state))
        for later in range(version, 5):
            batch, expected = resumed.collect(later), batches[later]
            assert batch.groups == expected.groups
            assert torch.equal(batch.advantage_PG, expected.advantage_PG)
            assert (batch.drawn, batch.rounds) == (expected.drawn, expected.rounds)


def test_a_state_from_before_there_were_rates():
    """An older checkpoint holds the cursor alone."""
    made, other = collector(pool(20)), collector(pool(20))
    made.collect(0)
    other.load_state_dict({"cursor": made.state_dict()["cursor"]})
    assert ids(other.collect(1)) == ids(made.collect(1))
    assert other.rates == (1.0, 1.0)


def test_a_stale_engine_is_refused():
    """One that does not take the weights over."""

    class Stuck(FakeEngine):
        def sync(self, version: int) -> None:
            self.held = 0

    made = collector(pool(8), engine=Stuck())
    made.collect(0)
    with pytest.raises(StaleEngineError, match="holds policy version 0, not 1"):
        made.collect(1)


def test_a_part_of_a_reward_reaches_the_advantage_and_nothing_else():
    """A wrong answer worth 0.3: the advantage is centred on the rewards, while it stays a wrong answer."""
    batch = collector(pool(8, "right 1|wrong 0.3|wrong 0|wrong 0")).collect(0)
    reward_G = torch.tensor([1, 0.3, 0, 0])
    torch.testing.assert_close(batch.advantage_PG[0], (reward_G - 0.325) / (reward_G.std() + 1e-6))
    assert [group.successes for group in batch.groups] == [1] * 4
    metrics = batch_metrics(batch, Ranks(0, 1))
    assert metrics["rollout/accuracy"] == 0.25
    assert metrics["rollout/reward"] == pytest.approx(0.325)
    assert metrics["bucket/1"] == 1


def test_a_filter_counts_right_answers_and_no_rewards():
    """All wrong, with parts of a reward: no success."""
    batch = collector(pool(8, "wrong 0.3|wrong 0"), ZeroSuccess()).collect(0)
    assert batch.selected == 4


def test_a_reward_that_is_no_number_comes_up_where_it_is_learned_from():
    """It must not pass for an answer; in a group that the filter drops it has no part."""
    batch = collector(pool(8, "right 1|wrong nan|wrong 0|wrong 0")).collect(0)
    assert batch.advantage_PG.isnan().all()
    assert len(samples(batch)[0]) == 16
    dropped = collector(pool(8, "right 1|wrong nan|wrong 0|wrong 0"), ZeroSuccess()).collect(0)
    assert not dropped.advantage_PG.any()
    assert dropped.learned_from() == []
    assert batch_metrics(dropped, Ranks(0, 1))["loss/trained_rollouts"] == 0
