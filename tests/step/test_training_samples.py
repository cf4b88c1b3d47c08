"""From a batch to samples: what goes through the policy, and what each token weighs."""

from dataclasses import replace
from functools import partial
from math import isfinite

import pytest
import torch
from step_fakes import GRPO, SIGNED, collector, on_ranks, pool

from rlvr.algo import HighEntropy, MaskTruncated
from rlvr.algo.aggregation import token_mean
from rlvr.ranks import Ranks
from rlvr.step import RolloutBatch, training_samples
from rlvr.types import Completion, Group, Problem, Verdict

ALONE = Ranks(0, 1)


def batch(advantage_PG: list[list[float]], lengths: list[list[int]], written: list[list[int]] | None = None):
    """Groups with these advantages; `written`: how many of each completion's tokens are the policy's."""
    groups = []
    for p, of_group in enumerate(lengths):
        completions = []
        for g, tokens in enumerate(of_group):
            trainable = None if written is None else tuple(t < written[p][g] for t in range(tokens))
            completions.append(Completion(tuple(range(tokens)), (-1.0,) * tokens, "", "stop", trainable))
        groups.append(Group(Problem(str(p), "", (1, 2, 3), ""), tuple(completions), (Verdict("right", 1.0),) * 2, 0))
    count = len(groups)
    return RolloutBatch(
        tuple(groups), torch.ones(count), torch.tensor(advantage_PG), torch.arange(count), count, count, 1, 0, 0
    )


def test_by_hand():
    """GRPO over live groups: 3 + 5 tokens in the first, none in the second, which has no advantage."""
    (samples,) = training_samples(batch([[1, 0], [0, 0]], [[3, 5], [7, 7]]), GRPO, 8, 1, ALONE)
    (sample,) = samples
    # What dealing it out to ranks and micro-batches takes.
    assert (sample.problem_id, sample.prompt_tokens, sample.completion_tokens) == ("0", 3, 3)
    assert sample.advantage == 1
    assert sample.weight == pytest.approx(1 / 8)
    assert sample.auxiliary_weight == 0
    assert sample.reference_logp_T is None


def test_over_all_counts_groups_that_do_not_go_through_the_policy():
    """3 + 5 tokens of the first group and 14 of the second, which has no advantage; nothing of a dropped third."""
    given = batch([[1, 0], [0, 0], [0, 0]], [[3, 5], [7, 7], [9, 9]])
    kept = replace(given, weight_P=torch.tensor([1.0, 1, 0]), place_P=torch.tensor([0, 1, -1]), selected=2)
    loss = replace(GRPO, aggregation=partial(token_mean, over="all"))
    ((sample,),) = training_samples(kept, loss, 8, 1, ALONE)
    assert sample.weight == pytest.approx(1 / 22)


def test_a_token_weight_has_its_own_denominator():
    """Half of 3 and 5 tokens, rounded up, is 2 and 3; the policy wrote 2 and 3 of them where a tool wrote the rest."""
    loss = replace(GRPO, token_weight=HighEntropy("", 0.5))
    ((sample, _),) = training_samples(batch([[1, -1]], [[3, 5]]), loss, 8, 1, ALONE)
    assert sample.weight == pytest.approx(1 / 5)
    ((sample, _),) = training_samples(batch([[1, -1]], [[3, 5]], written=[[2, 3]]), loss, 8, 1, ALONE)
    assert sample.weight == pytest.approx(1 / 3)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_truncated_completions_do_not_go_through_the_policy(size: int):
    """And the tokens of the others, over all ranks, are the denominator."""
    loss = replace(SIGNED, token_weight=MaskTruncated(""))

    def work(ranks: Ranks):
        made = collector(pool(40), loss=loss, per_step=7, ranks=ranks)
        collected = made.collect(0)
        return collected, training_samples(collected, loss, 8, 1, ranks)[0]

    found = on_ranks(size, work)
    finishes = [one.finish for made, _ in found for group in made.groups for one in group.completions]
    trained = [sample for _, samples in found for sample in samples]
    assert 0 < len(trained) == finishes.count("stop") < len(finishes)
    assert all(sample.completion.finish == "stop" for sample in trained)
    assert sum(sample.weight * sample.completion_tokens for sample in trained) == pytest.approx(1)


def test_every_completion_by_hand():
    """All four go through the policy; auxiliary terms are a mean over their 22 tokens."""
    (samples,) = training_samples(batch([[1, 0], [0, 0]], [[3, 5], [7, 7]]), GRPO, 8, 1, ALONE, every_completion=True)
    assert [sample.advantage for sample in samples] == [1, 0, 0, 0]
    assert [sample.weight for sample in samples] == pytest.approx([1 / 8] * 4)
    assert [sample.auxiliary_weight for sample in samples] == pytest.approx([1 / 22] * 4)


def test_tokens_of_others_are_not_counted():
    """Of 3 and 5 tokens the policy wrote 2 and 1."""
    (samples,) = training_samples(
        batch([[1, -1]], [[3, 5]], written=[[2, 1]]), SIGNED, 8, 1, ALONE, every_completion=True
    )
    assert [sample.weight for sample in samples] == pytest.approx([1 / 3] * 2)
    assert [sample.auxiliary_weight for sample in samples] == pytest.approx([1 / 3] * 2)


def test_completions_without_a_token_of_the_policy():
    """Nothing to divide by: no error, and no number that is none."""
    (samples,) = training_samples(
        batch([[1, -1]], [[3, 5]], written=[[0, 0]]), SIGNED, 8, 1, ALONE, every_completion=True
    )
    assert all(isfinite(sample.weight) for sample in samples)


def test_a_minibatch_has_its_own_denominator():
    """Two groups, one a step: each step's weights sum to 1."""
    steps = training_samples(batch([[1, -1], [1, -1]], [[3, 5], [1, 1]]), SIGNED, 8, 2, ALONE)
    assert [[sample.problem.id for sample in step] for step in steps] == [["0", "0"], ["1", "1"]]
    assert [step[0].weight for step in steps] == pytest.approx([1 / 8, 1 / 2])


def test_more_minibatches_than_groups():
    """The rest are empty steps."""
    assert [len(step) for step in training_samples(batch([[1, -1]], [[3, 5]]), SIGNED, 8, 3, ALONE)] == [2, 0, 0]


def test_samples_of_a_collected_batch():
    """Only completions with an advantage, and their texts are those that were graded."""
    made = collector(pool(8, "right 1|wrong 0|wrong 0.5|right 1"), loss=GRPO)
    (samples,) = training_samples(made.collect(0), GRPO, 8, 1, ALONE)
    assert len(samples) == 16
    signs = {sample.completion.text: sample.advantage > 0 for sample in samples}
    assert signs == {"right 1": True, "wrong 0": False, "wrong 0.5": False}
