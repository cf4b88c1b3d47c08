"""Metrics of a batch against values by hand."""

import pytest
from step_fakes import SIGNED, collector, on_ranks, pool

from rlvr.algo import ZeroSuccess
from rlvr.ranks import Ranks
from rlvr.step import batch_metrics
from rlvr.verify import WeightedVerifier

TEXTS = "right 1|wrong 0.5|timeout 0|wrong 0 bare"


def test_by_hand():
    """Every group: one right, a part for a wrong one, a time-out, and one that is not formatted."""
    made = collector(pool(12, TEXTS), loss=SIGNED)
    batch = made.collect(0)
    metrics = batch_metrics(batch, Ranks(0, 1))
    lengths = [len(one.token_ids) for group in batch.groups for one in group.completions]
    assert metrics == {
        "filter/drawn": 4,
        "filter/selected": 4,
        "filter/gated_share": 0,
        "filter/rounds": 1,
        "rollout/greedy_tokens": 0,
        "loss/trained_rollouts": 16,
        "rollout/accuracy": 0.25,
        "rollout/reward": pytest.approx(1.5 / 4),
        "rollout/entropy": pytest.approx(0.5),
        "rollout/completion_length": pytest.approx(sum(lengths) / 16),
        "rollout/truncated_share": pytest.approx(lengths.count(8) / 16),
        "rollout/tokens": sum(lengths),
        "verify/wrong_share": 0.5,
        "verify/unevaluated_share": 0,
        "verify/timeout_share": 0.25,
        "verify/error_share": 0,
        "verify/unformatted_share": 0.25,
        "loss/no_gradient_share": 0,
        **{f"bucket/{m}": float(m == 1) for m in range(5)},
    }


def test_the_entropy_is_that_of_what_the_policy_wrote():
    """Every second token is a tool's; its log-probability says nothing of the policy."""
    made = collector(pool(8))
    made.engine.trainable = lambda tokens: tuple(place % 2 == 0 for place in range(tokens))
    batch = made.collect(0)
    for group in batch.groups:
        for one in group.completions:
            logps = tuple(-0.5 if written else 0.0 for written in one.trainable)
            object.__setattr__(one, "logps", logps)
    assert batch_metrics(batch, Ranks(0, 1))["rollout/entropy"] == pytest.approx(0.5)


def test_groups_without_gradient():
    """All right: GRPO has nothing to learn from; dropped ones are gated."""
    batch = collector(pool(8, "right 1")).collect(0)
    metrics = batch_metrics(batch, Ranks(0, 1))
    assert (metrics["loss/no_gradient_share"], metrics["loss/trained_rollouts"]) == (1, 0)
    gated = batch_metrics(collector(pool(8, "right 1"), ZeroSuccess()).collect(0), Ranks(0, 1))
    assert (gated["filter/gated_share"], gated["filter/selected"]) == (1, 0)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_same_on_every_rank(size: int):
    """Also on one that has no group of its own."""

    def work(ranks: Ranks) -> dict[str, float]:
        made = collector(pool(12), ranks=ranks)
        made.verifier = WeightedVerifier({"part": made.verifier}, {"part": 2.0}, "part")
        return batch_metrics(made.collect(0), ranks)

    (alone,) = on_ranks(1, work)
    assert alone["rollout/reward"] == 2 * alone["rollout/reward/part"] == 2 * alone["rollout/accuracy"]
    for found in on_ranks(size, work):
        assert found == pytest.approx(alone)
