"""One number a token: each arrives at its token, and tokens that the policy did not write are read only."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from sequences import alone, policy, samples

from rlvr.algo import ClipCov, KLCov, Objective
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample


def streamed(seed: int = 0) -> list[TrainingSample]:
    """Every second completion with tokens of a tool in it, one without a token of the policy; a number of its own for
    every token in every stream."""
    draw, made = torch.Generator().manual_seed(seed), []
    for index, sample in enumerate(samples(seed=seed)):
        tokens = len(sample.completion.token_ids)
        trainable = tuple((torch.rand(tokens, generator=draw) < 0.6).tolist()) if index % 2 else None
        trainable = (False,) * tokens if index == 3 else trainable
        advantage_T, weight_T, auxiliary_T, reference_T, engine_T = torch.randn(5, tokens, generator=draw)
        completion = replace(sample.completion, trainable=trainable, logps=tuple(engine_T.tolist()))
        made.append(
            TrainingSample(sample.problem, completion, advantage_T, weight_T / tokens, auxiliary_T, reference_T)
        )
    return made


def written(sample: TrainingSample) -> torch.Tensor:
    """Places of the tokens that the policy wrote."""
    completion = sample.completion
    trainable = completion.trainable or (True,) * len(completion.token_ids)
    return torch.tensor(trainable).nonzero()[:, 0]


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_tokens_that_the_policy_did_not_write_are_read_only(architecture: str):
    """Attended to, but neither scored nor trained: scores and gradients are those of a plain forward pass over all
    tokens whose loss leaves them out."""
    model, batch = policy(architecture), streamed()
    plain = [alone(model, sample, 0.7) for sample in batch]
    losses = [
        (logp_T * sample.advantage * sample.weight)[written(sample)].sum()
        for (logp_T, _), sample in zip(plain, batch, strict=True)
    ]
    sum(losses).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    micro = packed(batch, version=0)
    logp_BT, entropy_BT, _ = completion_logps(model, micro, 0.7)
    (logp_BT * micro.advantage_BT * micro.weight_BT).sum().backward()
    for row, ((logp_T, entropy_T), sample) in enumerate(zip(plain, batch, strict=True)):
        places = written(sample)
        torch.testing.assert_close(logp_BT[row, places], logp_T[places], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(entropy_BT[row, places], entropy_T[places], rtol=1e-5, atol=1e-5)
        assert int((logp_BT[row] != 0).sum()) == len(places)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-5)
    assert len(micro.target_M) == len(micro.before_M) == sum(sample.completion.trainable_tokens for sample in batch)


def by_token(stream_BT: torch.Tensor, of_sample: Sequence[torch.Tensor], batch: list[TrainingSample]) -> None:
    """Every number at its token, 0 elsewhere."""
    expected_BT = torch.zeros_like(stream_BT)
    for row, (values_T, sample) in enumerate(zip(of_sample, batch, strict=True)):
        places = written(sample)
        expected_BT[row, places] = values_T[places].to(expected_BT)
    assert torch.equal(stream_BT, expected_BT)


def test_streams_arrive_at_their_tokens():
    """Advantages, weights, the engine's and reference log-probabilities: all that an objective sees."""
    batch = streamed()
    micro = packed(batch, version=4)
    by_token(micro.mask_BT, [torch.ones(len(sample.completion.token_ids)) for sample in batch], batch)
    scores_BT = -torch.rand(micro.mask_BT.shape)
    seen = micro.tokens(scores_BT, scores_BT)
    by_token(seen.advantage_BT, [sample.advantage for sample in batch], batch)
    by_token(seen.weight_BT, [sample.weight for sample in batch], batch)
    by_token(seen.auxiliary_weight_BT, [sample.auxiliary_weight for sample in batch], batch)
    by_token(seen.engine_logp_BT, [torch.tensor(sample.completion.logps) for sample in batch], batch)
    by_token(seen.reference_logp_BT, [sample.reference_logp_T for sample in batch], batch)
    assert torch.equal(seen.old_logp_BT, scores_BT)  # the policy is still the one that sampled
    assert torch.equal(micro.with_old(2 * scores_BT).tokens(scores_BT, scores_BT).old_logp_BT, 2 * scores_BT)
    moved = micro.with_old(scores_BT).to(torch.device("meta"))
    assert moved.version == 4
    assert {value.device.type for value in vars(moved).values() if isinstance(value, torch.Tensor)} == {"meta"}


def test_reference_log_probabilities_travel_where_any_has_them():
    """0 for those that have none; where all have none, there is no such stream."""
    batch = streamed()
    some_BT = packed([replace(batch[0], reference_logp_T=None), *batch[1:]], version=0).reference_logp_BT
    whole_BT = packed(batch, version=0).reference_logp_BT
    assert not some_BT[0].any()
    assert torch.equal(some_BT[1:], whole_BT[1:])
    assert packed([replace(sample, reference_logp_T=None) for sample in batch], version=0).reference_logp_BT is None


def test_stored_answers_come_last():
    """In what order they are given; a reference that is filled in leaves theirs as they were stored."""
    batch = streamed()
    stored = replace(batch[0], stored=True)
    micro = packed([stored, *batch[1:]], version=0)
    assert micro.stored == 1
    assert torch.equal(micro.mask_BT, packed([*batch[1:], stored], version=0).mask_BT)
    filled_BT = micro.with_reference(torch.full(micro.mask_BT.shape, -9.0)).reference_logp_BT
    assert torch.equal(filled_BT[-1], micro.reference_logp_BT[-1])
    assert bool((filled_BT[:-1] == -9).all())
    tokens = micro.tokens(micro.engine_logp_BT, micro.engine_logp_BT)
    assert (len(tokens.fresh().mask_BT), len(tokens.replayed().mask_BT)) == (len(batch) - 1, 1)


def test_an_empty_micro_batch_counts_nowhere():
    """A rank may have no sample where others have some: it has the same streams, and no token for any metric."""

    class Reference:
        entropy_gradient = False

        def __call__(self, tokens):
            return tokens.reference_logp_BT - tokens.logp_BT

    def surrogate(logp_BT, old_logp_BT, advantage_BT, mask_BT):
        return -advantage_BT * logp_BT, mask_BT.bool()

    micro = packed([], version=0)
    loss, sums = Objective(surrogate, auxiliary=[Reference()])(
        micro.tokens(*completion_logps(policy("qwen2"), micro, 1.0))
    )
    assert loss.item() == 0
    assert {name: value.item() for name, value in sums.items()} == {"tokens": 0, "clipped": 0, "entropy": 0}


def test_choices_arrive_at_their_tokens():
    """Each term's own; samples that bring none have none."""
    batch, clip, kl = streamed(), ClipCov("", 0.1, 1.0, 5.0), KLCov(1.0, 0.1)
    draw = torch.Generator().manual_seed(1)
    chosen = [(torch.rand(len(sample.completion.token_ids), generator=draw) < 0.5).float() for sample in batch]
    some = [{clip: one, kl: 1 - one} for one in chosen[:-1]] + [{}]
    micro = packed([replace(sample, chosen=each) for sample, each in zip(batch, some, strict=True)], version=0)
    seen = micro.tokens(micro.weight_BT, micro.weight_BT)
    by_token(seen.chosen_by(clip), [*chosen[:-1], 0 * chosen[-1]], batch)
    by_token(seen.chosen_by(kl), [*(1 - one for one in chosen[:-1]), 0 * chosen[-1]], batch)
    assert not seen.chosen_by(ClipCov("", 0.2, 1.0, 5.0)).any()
    assert micro.to(torch.device("meta")).chosen_BT[kl].device.type == "meta"
