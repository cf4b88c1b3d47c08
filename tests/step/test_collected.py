"""What is in a batch: weights, advantages, greedy answers; seeds, versions, and going on from a stored state."""

import json
from dataclasses import replace

import pytest
import torch
from step_fakes import ALL, HALF, SIGNED, FakeEngine, collector, ids, pool, samples

from rlvr.algo import BBG, SELF, Dynamic, Filter, Outcomes, ZeroSuccess
from rlvr.ranks import Ranks
from rlvr.rollout.engine import StaleEngineError
from rlvr.step import batch_metrics
from rlvr.types import Problem


def test_the_weight_of_a_filter_scales_advantages():
    """Two of four right, u(2)/u(1) by BBG's share: advantages are those of weight 1 times it."""
    plain = collector(pool(9, HALF), loss=SIGNED).collect(0)
    shared = collector(pool(9, HALF), BBG(weighting="share"), loss=SIGNED).collect(0)
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


def test_what_an_advantage_is_told_of_each_completion():
    """Its verdict, its length, whether it was cut, its mean log-probability; only of groups that the filter selects."""
    told: list[Outcomes] = []

    def recorded(outcomes: Outcomes) -> torch.Tensor:
        told.append(outcomes)
        return outcomes.reward_PG

    problems = [Problem(str(i), "", (), HALF if i % 2 else ALL) for i in range(20)]
    engine = FakeEngine(trainable=lambda tokens: tuple(place < 7 for place in range(tokens)))
    batch = collector(problems, Dynamic(), replace(SIGNED, advantage=recorded), 20, engine=engine).collect(0)
    (given,) = told
    groups = [group for group in batch.groups if int(group.problem.id) % 2]
    completions = [[one for one in group.completions] for group in groups]
    assert given.reward_PG.tolist() == given.right_PG.float().tolist() == [[1, 0, 1, 0]] * 10
    assert given.length_PG.tolist() == [[min(len(one.token_ids), 7) for one in of_group] for of_group in completions]
    cut = [[one.finish == "length" for one in of_group] for of_group in completions]
    assert given.truncated_PG.tolist() == cut
    assert any(map(any, cut))
    assert given.logp_PG.tolist() == [[-0.5] * 4] * 10
    assert given.max_tokens == 8
