"""Operations by hand, and as torch counts them."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.scoring import packed
from rlvr.scoring.logprobs import completion_logps
from rlvr.speed.flops import Passed, PolicySize
from rlvr.step import TrainingSample
from rlvr.types import Completion, Problem

SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
ENDS = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0, "tie_word_embeddings": True}
CONFIG = AutoConfig.for_model("qwen2", vocab_size=50, intermediate_size=96, **SIZES, **ENDS)


def samples(prompts: list[int], lengths: list[list[int]]) -> list[TrainingSample]:
    """Completions of these lengths to prompts of those."""
    problems = [Problem(str(index), "", tuple(range(1, 1 + size)), "") for index, size in enumerate(prompts)]
    pairs = [(problem, length) for problem, some in zip(problems, lengths, strict=True) for length in some]
    return [
        TrainingSample(problem, Completion((7,) * length, (-1.0,) * length, "", "length"), 1.0, 1.0)
        for problem, length in pairs
    ]


def test_what_goes_through_a_policy_by_hand():
    """A prompt of 3, completions of 1, 2 and 4: the last token of each is not read. Pairs: 1 + 2 + 3 in the prompt, 4
    for the second completion's first token, 4 + 5 + 6 for the third's."""
    passed = Passed.of(3, [1, 2, 4])
    assert passed == Passed(3 + 0 + 1 + 3, 1 + 2 + 4, 6 + 4 + 15)
    assert Passed.of(5, [0]) == Passed(5, 0, 15)
    assert passed + passed == passed * 2 == Passed(14, 14, 50)


def test_a_packed_batch_is_what_its_completions_are():
    """Two prompts, each read once however many completions it has."""
    batch = packed(samples([3, 5], [[1, 2, 4], [6]]), 0)
    assert batch.passed == Passed.of(3, [1, 2, 4]) + Passed.of(5, [6])


def test_operations_by_hand():
    """A layer of width 4 with two heads of 2, one of keys, an MLP of 6, 10 words: query and output 4 x 4 each, key and
    value 4 x 2 each, three of 4 x 6."""
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = AutoConfig.for_model(
        "qwen2", hidden_size=4, num_hidden_layers=1, intermediate_size=6, vocab_size=10, **heads
    )
    size, passed = PolicySize.of(config), Passed(tokens=5, scored=3, pairs=15)
    assert size == PolicySize(layers=16 + 16 + 8 + 8 + 72, head=40, attention=4)
    products, attention = 2 * 120 * 5 + 2 * 40 * 3, 4 * 4 * 15
    assert size.forward(passed) == products + attention
    assert size.backward(passed) == 2 * (products + attention)
    assert size.backward(passed, adapters=True) == products + 2 * attention


def test_heads_may_be_wider_than_their_part():
    """Qwen3's are 128 wide whatever the hidden size."""
    config = AutoConfig.for_model("qwen3", vocab_size=50, intermediate_size=96, head_dim=128, **SIZES)
    assert PolicySize.of(config).attention == 2 * 4 * 128


@pytest.fixture(scope="module")
def policy():
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIG)


def test_torch_counts_as_many_operations(policy):
    """A training step on a packed batch. Torch sees no operation in its CPU kernel for attention; of the chunked head
    it sees one product more, which makes the logits again."""
    batch, size = packed(samples([9, 5], [[3, 8], [6]]), 0), PolicySize.of(CONFIG)
    with FlopCounterMode(display=False) as forward:
        logp_BT = completion_logps(policy, batch, 1.0).logp_BT
    with FlopCounterMode(display=False) as backward:
        logp_BT.sum().backward()
    passed = batch.passed
    products = Passed(passed.tokens, passed.scored, pairs=0)
    again = 2 * size.head * passed.scored
    assert forward.get_total_flops() == size.forward(products)
    assert backward.get_total_flops() == size.backward(products) + again


def test_torch_counts_attentions_whole_square(policy):
    """In products that it knows; ours is the half that causal attention needs, the diagonal whole."""
    policy.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        policy(torch.ones(3, 40, dtype=torch.long), use_cache=False)
    size, square = PolicySize.of(CONFIG), 3 * 40 * 40
    assert counter.get_total_flops() == size.forward(Passed(120, 120, square))
    assert 3 * Passed.of(40, []).pairs == (square + 120) / 2
