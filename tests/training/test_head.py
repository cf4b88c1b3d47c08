"""Chunked log-probabilities against the plain way: values, gradients, precision, every architecture that we name."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.errors import ConfigError
from rlvr.scoring import head as head_module
from rlvr.scoring.head import ScoringHead, scoring_head

N, V, H = 23, 101, 16


def plain(hidden: torch.Tensor, weight: torch.Tensor, token: torch.Tensor, temperature: float) -> torch.Tensor:
    logits = (hidden @ weight.T).float() / temperature
    return torch.log_softmax(logits, -1).gather(1, token[:, None])[:, 0]


def leaves(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, H, generator=generator).to(dtype).requires_grad_()
    head = ScoringHead(H, V, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.randn(V, H, generator=generator))
    return hidden, head.to(dtype), torch.randint(V, (N,), generator=generator), torch.randn(N, generator=generator)


@pytest.mark.parametrize("rows", [1, 5, 1000])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_equals_the_plain_way(monkeypatch, rows: int, temperature: float):
    """Whatever the chunks, values and both gradients to 1e-5."""
    monkeypatch.setattr(head_module, "CHUNK_GIB", rows * V * 4 / 2**30)
    hidden, head, token, upstream = leaves()
    ours, entropy = head(hidden, token, temperature)
    grads = torch.autograd.grad(ours, [hidden, head.weight], upstream)
    theirs = plain(hidden, head.weight, token, temperature)
    expected = torch.autograd.grad(theirs, [hidden, head.weight], upstream)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    distribution = torch.distributions.Categorical(logits=hidden @ head.weight.T / temperature)
    torch.testing.assert_close(entropy, distribution.entropy(), rtol=1e-5, atol=1e-5)
    assert not entropy.requires_grad
    for got, want in zip(grads, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_autocast_computes_as_the_plain_way_does():
    """bf16 products in the forward and the backward pass, fp32 sums."""
    hidden, head, token, upstream = leaves()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = head(hidden, token, 1.0)[0], plain(hidden, head.weight, token, 1.0)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    grads = torch.autograd.grad(ours, [hidden, head.weight], upstream)
    expected = torch.autograd.grad(theirs, [hidden, head.weight], upstream)
    for got, want in zip(grads, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=0.05, atol=0.05)


def test_no_rows_and_a_frozen_head():
    """A micro-batch without completions, and LoRA's frozen head."""
    hidden, head, token, _ = leaves()
    assert head(hidden[:0], token[:0], 1.0)[0].shape == (0,)
    head.weight.requires_grad_(False)
    head(hidden, token, 1.0)[0].sum().backward()
    assert hidden.grad is not None
    assert head.weight.grad is None


def model(architecture: str, **settings):
    size = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, intermediate_size=48)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, vocab_size=16, **size, **settings))


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
def test_a_model_keeps_its_head(architecture: str):
    """The same module and parameters; generation's logits are as before."""
    policy = model(architecture)
    ids = torch.arange(6)[None]
    before, parameter = policy(ids).logits, policy.lm_head.weight
    head = scoring_head(policy)
    assert head is policy.lm_head is scoring_head(policy)
    assert head.weight is parameter
    assert torch.equal(policy(ids).logits, before)


def test_heads_that_do_more_are_refused():
    """Gemma 2 squashes its logits."""
    with pytest.raises(ConfigError, match="Gemma2ForCausalLM are more than hidden states times a matrix"):
        scoring_head(model("gemma2"))
