"""Packing: equal to every sequence alone, no padding through the policy, and the same load on every rank."""

from itertools import chain

import pytest
import torch
from sequences import alone, policy, samples

from rlvr.errors import ConfigError
from rlvr.scoring.attention import Rows, use_packed_attention
from rlvr.scoring.dealing import deal, micro_batches, piece_tokens, pieces_of
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample


def length(sample: TrainingSample) -> int:
    """Of its row: prompt and completion less the last token, which predicts nothing."""
    return len(sample.problem.prompt_ids) + len(sample.completion.token_ids) - 1


def loss_of(logp_T: torch.Tensor, sample: TrainingSample) -> torch.Tensor:
    return (logp_T * sample.advantage * sample.weight).sum()


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
def test_packed_equals_every_sequence_alone(architecture: str, checkpointing: bool):
    """Log-probabilities, entropies and every gradient to 1e-5; prompts shared, positions and rows each their own."""
    model, batch = policy(architecture), samples()
    plain = [alone(model, sample, 0.7) for sample in batch]
    sum(loss_of(logp_T, sample) for (logp_T, _), sample in zip(plain, batch, strict=True)).backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    micro = packed(batch, version=0)
    logp_BT, entropy_BT, _ = completion_logps(model, micro, 0.7)
    (logp_BT * micro.advantage_BT * micro.weight_BT).sum().backward()
    for row, (logp_T, entropy_T) in enumerate(plain):
        torch.testing.assert_close(logp_BT[row, : len(logp_T)], logp_T, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(entropy_BT[row, : len(logp_T)], entropy_T, rtol=1e-5, atol=1e-5)
        assert not logp_BT[row, len(logp_T) :].any()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-5)


def test_generation_is_untouched():
    """The attention that training needs stays out of the engine's way, padding and cache included."""
    model = policy("qwen2").eval()
    ids = torch.tensor([[0, 0, 5, 6], [7, 8, 9, 10]])
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    settings = dict(attention_mask=mask, max_new_tokens=8, do_sample=False, pad_token_id=0)
    before = model.generate(ids, **settings)
    use_packed_attention(model)
    assert torch.equal(model.generate(ids, **settings), before)


def test_windows_are_refused():
    """A layer that sees only a window would be trained as if it saw everything."""
    with pytest.raises(ConfigError, match="Qwen2ForCausalLM attends to a sliding window"):
        use_packed_attention(policy("qwen2", use_sliding_window=True, max_window_layers=0))


def test_nothing_to_train_on_gives_a_batch_inside_the_graph():
    """Every rank must take part in every backward pass."""
    model = policy("qwen2")
    micro = packed([], version=3)
    logp_BT = completion_logps(model, micro, 1.0).logp_BT
    (logp_BT * micro.weight_BT).sum().backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


def test_nothing_is_padded():
    """Prompts once, completions less their last token; attention's rows waste less than a fifth."""
    batch = samples(problems=30, group=8, longest=200)
    micro = packed(batch, version=0)
    prompts = {sample.problem.id: len(sample.problem.prompt_ids) for sample in batch}
    assert len(micro.token_N) == sum(prompts.values()) + sum(len(s.completion.token_ids) - 1 for s in batch)
    assert len(micro.target_M) == sum(len(s.completion.token_ids) for s in batch)
    cells = sum(table.numel() for table in micro.rows.tables)
    assert sum(map(length, batch)) / cells > 0.8


def test_padding_is_spread_and_changes_nothing():
    """Against rows with all padding on token 0: equal scores and gradients, and no token gets more than its part."""
    batch = samples()
    micro = packed(batch, version=0)
    sizes = iter(sorted(map(length, batch), reverse=True))
    pads, plain = [], []
    for table in micro.rows.tables:
        real = torch.arange(table.shape[1]) < torch.tensor([next(sizes) for _ in table])[:, None]
        pads.append(table[~real])
        plain.append(table.where(real, 0))
    padded = torch.cat(pads)
    assert len(padded) > 50
    assert padded.bincount().max() <= -(-len(padded) // len(micro.token_N)) + 1
    results = []
    for rows in (micro.rows, Rows(tuple(plain), micro.rows.back_N)):
        model, micro.rows = policy("qwen2"), rows
        logp_BT = completion_logps(model, micro, 0.7).logp_BT
        (logp_BT * micro.advantage_BT * micro.weight_BT).sum().backward()
        results.append([logp_BT.detach(), *(parameter.grad for parameter in model.parameters())])
    for spread, crowded in zip(*results, strict=True):
        torch.testing.assert_close(spread, crowded, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("ranks", [1, 2, 8])
@pytest.mark.parametrize("budget", [100, 400, 3000, 10**6])
def test_every_sample_goes_once_to_a_rank_within_its_budget(ranks: int, budget: int):
    """Only a sequence longer than the budget may exceed it; every rank gets as many micro-batches."""
    batch = samples(problems=40, group=8, longest=70)
    pieces = pieces_of(batch, budget)
    count = micro_batches(pieces, budget, ranks)
    dealt = deal(pieces, count * ranks)
    assert len(dealt) == count * ranks
    got = [id(sample) for sample in chain.from_iterable(chain.from_iterable(dealt))]
    assert sorted(got) == sorted(map(id, batch))
    assert max(sum(map(piece_tokens, part)) for part in dealt) <= budget


def test_ranks_carry_the_same_load():
    """Lengths with a long tail, as rollouts have: within 2 % of each other, and at most one micro-batch too many."""
    batch = samples(problems=64, group=8, longest=800)
    budget, ranks = 16384, 4
    pieces = pieces_of(batch, budget)
    count = micro_batches(pieces, budget, ranks)
    loads = [sum(map(piece_tokens, part)) for part in deal(pieces, count * ranks)]
    by_rank = [sum(loads[rank::ranks]) for rank in range(ranks)]
    assert min(by_rank) > 0.98 * max(by_rank)
    assert count <= -(-sum(loads) // (budget * ranks)) + 1
