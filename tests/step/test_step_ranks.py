"""The same step on one, two and three ranks, whichever of them sampled what."""

import random
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from step_fakes import BOTH, GRPO, PPO, SIGNED, collector, on_ranks, pool, selected, standalone

from rlvr.algo import SELF, Dynamic, Filter, GRPOLambda, Loss, SelfAligned
from rlvr.algo.advantages import diff_smooth
from rlvr.algo.aggregation import token_mean
from rlvr.algo.batch_advantages import lite_ppo, reinforce_pp
from rlvr.ranks import Ranks
from rlvr.step import RolloutBatch, TrainingSample, batch_metrics, training_samples
from rlvr.types import Problem


@dataclass(frozen=True)
class Chance(Filter):
    """Drops what a table of its own says, before sampling (by id and by greedy answer) and after (by successes)."""

    seed: int = 0
    asks: bool = False
    passes: float = 1.0

    def before(self, problems, solved_greedily):
        solved = solved_greedily(problems) if self.asks else [False] * len(problems)
        lucky = [random.Random(f"{self.seed}/{problem.id}").random() < self.passes for problem in problems]
        return [p for p, done, luck in zip(problems, solved, lucky, strict=True) if luck and not done]

    def after(self, success_P, group_size):
        weights = random.Random(self.seed).choices([0.0, 0.5, 1.0], k=group_size + 1)
        return torch.tensor(weights)[success_P.long()]


def by_problem(batches: list[RolloutBatch]) -> dict[str, tuple[int, float, list[float]]]:
    """Place, weight and advantages of every group of all ranks."""
    return {
        group.problem.id: (int(place), float(weight), advantage_G.tolist())
        for batch in batches
        for group, place, weight, advantage_G in zip(
            batch.groups, batch.place_P, batch.weight_P, batch.advantage_PG, strict=True
        )
    }


def flat(steps: list[list[list[TrainingSample]]]) -> list[dict[tuple[str, str], tuple[float, float, float]]]:
    """Ranks' samples of each optimizer step, by problem and completion; one number a stream."""
    return [
        {
            (sample.problem.id, str(sample.completion)): (
                sample.advantage,
                sample.weight,
                sample.auxiliary_weight,
            )
            for part in parts
            for sample in part
        }
        for parts in zip(*steps, strict=True)
    ]


@pytest.mark.parametrize("advantage", [lite_ppo, reinforce_pp, partial(diff_smooth, smoothing=0.05)])
def test_a_batch_level_advantage_sees_what_all_ranks_sampled(advantage):
    """Each rank's own mean would be another: problems are easy and hard in turn, as they are dealt out."""
    problems = [Problem(str(i), "", (), f"rate {i / 12}") for i in range(12)]
    loss = Loss("batch", advantage, BOTH, PPO, partial(token_mean, over="live"))
    one, two, three = (
        by_problem(on_ranks(size, lambda ranks: collector(problems, loss=loss, per_step=12, ranks=ranks).collect(0)))
        for size in (1, 2, 3)
    )
    assert one == two == three
    assert any(any(advantage_G) for *_, advantage_G in one.values())


def test_a_shaping_that_compares_groups_sees_those_of_all_ranks():
    """The best groups are penalised, whichever ranks hold them; each rank's own best would be others."""
    problems = [Problem(str(i), "", (), f"rate {i / 12}") for i in range(12)]
    loss = replace(GRPO, shaping=GRPOLambda("", share=0.3, coefficient=0.5))
    one, two, three = (
        by_problem(on_ranks(size, lambda ranks: collector(problems, loss=loss, per_step=12, ranks=ranks).collect(0)))
        for size in (1, 2, 3)
    )
    assert one == two == three
    plain = by_problem([collector(problems, per_step=12).collect(0)])
    assert 0 < sum(one[name] != plain[name] for name in plain) < 12


def test_each_rank_scores_its_own_answers_without_their_questions():
    """After the last round, those of every group that is learned from; all ranks' advantages see the numbers."""
    loss = replace(GRPO, shaping=SelfAligned("", 0.2))
    problems = [Problem(str(i), "", (), f"rate {(0, 0.5, 1)[i % 3]}") for i in range(40)]  # one in three is selected
    asked: list[str] = []

    def noted(groups):
        asked.extend(group.problem.id for group in groups)
        return standalone(groups)

    def work(ranks: Ranks) -> RolloutBatch:
        made = collector(problems, Dynamic(refill=True, max_rounds=5), loss=loss, per_step=5, ranks=ranks)
        made.standalone = noted
        return made.collect(0)

    one, two, three = (on_ranks(size, work) for size in (1, 2, 3))
    assert by_problem(one) == by_problem(two) == by_problem(three)
    learned = [name for batch in (*one, *two, *three) for name in selected(batch)]
    assert sorted(asked) == sorted(learned)
    assert len(learned) < sum(len(batch.groups) for batch in (*one, *two, *three))
    for group, weight, advantage_G in zip(one[0].groups, one[0].weight_P, one[0].advantage_PG, strict=True):
        if weight:
            lengths = torch.tensor([float(len(each.token_ids)) for each in group.completions])
            logp_G = torch.tensor([each.trainable_logp / each.trainable_tokens for each in group.completions])
            reward_G = torch.tensor([verdict.reward for verdict in group.verdicts])
            reward_G = reward_G + 0.2 * (1 - (-lengths - logp_G).exp()).clamp(min=-1)
            expected_G = (reward_G - reward_G.mean()) / (reward_G.std() + 1e-6)
            torch.testing.assert_close(advantage_G, expected_G, rtol=1e-4, atol=1e-5)


def test_who_reads_standalone_answers_needs_somebody_who_scores_them():
    """Zeros in their place would be another method."""
    loss = replace(GRPO, shaping=SelfAligned("", 0.2))
    made = collector(pool(8), loss=loss)
    made.standalone = None
    with pytest.raises(ValueError, match="without their prompts"):
        made.collect(0)


def test_reinforce_pp_is_white_over_the_tokens_of_all_ranks():
    """Mean 0, variance 1, each completion as often as it has tokens."""
    problems = [Problem(str(i), "", (), f"rate {i / 12}") for i in range(12)]
    loss = Loss("batch", reinforce_pp, BOTH, PPO, partial(token_mean, over="live"))
    batches = on_ranks(2, lambda ranks: collector(problems, loss=loss, per_step=12, ranks=ranks).collect(0))
    groups = [group for batch in batches for group in batch.groups]
    advantages = torch.cat([batch.advantage_PG.flatten() for batch in batches])
    lengths = torch.tensor([len(one.token_ids) for group in groups for one in group.completions])
    of_tokens = advantages.repeat_interleave(lengths)
    assert float(of_tokens.mean()) == pytest.approx(0, abs=1e-6)
    assert float(of_tokens.std()) == pytest.approx(1, abs=1e-5)


def test_greedy_tokens_are_counted_over_ranks():
    """Each rank asks for its own part."""
    problems = [Problem(str(i), "easy" if i % 3 else "", (), "rate 0.5") for i in range(30)]

    def work(ranks: Ranks) -> tuple[int, float]:
        batch = collector(problems, SELF(refill=True, max_rounds=4), ranks=ranks).collect(0)
        return batch.greedy_tokens, batch_metrics(batch, ranks)["rollout/greedy_tokens"]

    ((alone, total),) = on_ranks(1, work)
    assert alone == total > 0
    found = on_ranks(3, work)
    assert sum(tokens for tokens, _ in found) == total
    assert {metric for _, metric in found} == {total}


@pytest.mark.parametrize("minibatches", [1, 2, 3, 7])
def test_minibatches_hold_the_same_problems_on_any_number_of_ranks(minibatches: int):
    """Split evenly in the order drawn, one denominator each; more minibatches than problems leaves some empty."""

    def work(ranks: Ranks) -> list[list[TrainingSample]]:
        made = collector(pool(40), Dynamic(refill=True, max_rounds=5), per_step=5, ranks=ranks)
        return training_samples(made.collect(0), GRPO, 8, minibatches, ranks)

    one, two, three = (flat(on_ranks(size, work)) for size in (1, 2, 3))
    assert one == two == three
    sizes = [len({name for name, _ in step}) for step in one]
    assert sum(sizes) == 5
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("every", [False, True])
def test_one_denominator_over_a_step_and_all_ranks(size: int, every: bool):
    """Weights of the tokens that the policy wrote sum to 1 in every optimizer step, and so do those of auxiliary terms,
    which are 0 where there is none."""

    def work(ranks: Ranks) -> list[list[TrainingSample]]:
        made = collector(pool(40), loss=SIGNED, per_step=7, ranks=ranks)
        made.engine.trainable = lambda tokens: tuple(place % 2 == 0 for place in range(tokens))
        return training_samples(made.collect(0), SIGNED, 8, 2, ranks, every_completion=every)

    for parts in zip(*on_ranks(size, work), strict=True):
        written = [(s, s.completion.trainable_tokens) for part in parts for s in part]
        assert sum(s.weight * tokens for s, tokens in written) == pytest.approx(1, rel=1e-5)
        auxiliary = sum(s.auxiliary_weight * tokens for s, tokens in written)
        assert auxiliary == pytest.approx(float(every), rel=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_invariants_of_random_steps(seed: int):
    """Random pools, filters and sizes over three steps: what must always hold, and the same on 1, 2 and 3 ranks."""
    draw = random.Random(seed)
    problems = [
        Problem(str(i), draw.choice(["", "easy"]), (1,), draw.choice(["rate 0", "rate 0.3", "rate 0.9", "rate 1"]))
        for i in range(draw.randint(1, 30))
    ]
    per_step, group = draw.randint(1, min(8, len(problems))), draw.randint(2, 4)
    chosen = Chance(
        "", draw.random() < 0.7, draw.randint(1, 6), seed, draw.random() < 0.5, draw.choice([1, 1, 0.5, 0.1])
    )
    minibatches, every = draw.choice([1, 2, 4]), draw.random() < 0.5

    def work(ranks: Ranks):
        made = collector(problems, chosen, SIGNED, per_step, group, seed, ranks)
        steps = []
        for version in range(3):
            batch = made.collect(version)
            samples = training_samples(batch, SIGNED, 8, minibatches, ranks, every)
            steps.append((batch, batch_metrics(batch, ranks), samples, made.state_dict()))
        return steps

    by_size = [on_ranks(size, work) for size in (1, 2, 3)]
    for step in range(3):
        found = []
        for of_ranks in by_size:
            batches, metrics, samples, states = zip(*(steps[step] for steps in of_ranks), strict=True)
            assert all(other == metrics[0] for other in metrics)
            assert all(other == states[0] for other in states)
            found.append((by_problem(batches), metrics[0], flat(samples), states[0], batches[0]))
            assert sum(len(batch.groups) for batch in batches) == len(found[-1][0]), "a problem came twice"
        groups, numbers, samples, state, batch = found[0]
        for other in found[1:]:
            assert other[0] == groups
            assert other[1] == pytest.approx(numbers, rel=1e-9)
            assert other[2:4] == (samples, state)
        places = sorted(place for place, *_ in groups.values() if place >= 0)
        assert places == list(range(batch.selected))
        assert batch.selected <= per_step
        assert batch.selected <= len(groups) <= batch.drawn <= len(problems)
        assert 1 <= batch.rounds <= (chosen.max_rounds if chosen.refill else 1)
        for place, weight, advantage_G in groups.values():
            assert (place >= 0) == (weight > 0)
            assert weight > 0 or not any(advantage_G)
        trained = {name for part in samples for name, _ in part}
        assert trained <= {name for name, (place, *_) in groups.items() if place >= 0}
        assert len(samples) == minibatches


def test_ranks_that_do_not_meet_fail_and_do_not_hang():
    """The tests' own ranks: two collectives at different lines."""

    def work(ranks: Ranks) -> float:
        if ranks.rank == 0:
            return ranks.total(1.0)
        return ranks.total(1.0)

    with pytest.raises(AssertionError, match="collectives that do not match"):
        on_ranks(2, work)
