"""Chunked log-probabilities against the plain way: values, gradients, precision, every architecture that we name."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.errors import ConfigError
from rlvr.scoring import head as head_module
from rlvr.scoring import packed
from rlvr.scoring.head import ChunkedLogps, ScoringHead, scoring_head
from rlvr.scoring.logprobs import completion_logps
from rlvr.step import TrainingSample
from rlvr.types import Completion, Problem

N, V, H = 23, 101, 16
TEMPERATURES = pytest.mark.parametrize("temperature", [1.0, 0.7])
ROWS = pytest.mark.parametrize("rows", [1, 5, 1000])


def plain(
    hidden: torch.Tensor, weight: torch.Tensor, token: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = hidden @ weight.T
    logp = torch.log_softmax((logits if logits.dtype == torch.float64 else logits.float()) / temperature, -1)
    return logp.gather(1, token[:, None])[:, 0], -(logp.exp() * logp).sum(-1)


def leaves(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, H, generator=generator).to(dtype).requires_grad_()
    head = ScoringHead(H, V, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.randn(V, H, generator=generator))
    upstream = torch.randn(2, N, generator=generator).to(dtype)
    return hidden, head.to(dtype), torch.randint(V, (N,), generator=generator), upstream


def chunked(monkeypatch, rows: int) -> None:
    """Make logits for so many rows at a time."""
    monkeypatch.setattr(head_module, "CHUNK_GIB", rows * V * 4 / 2**30)


def assert_near(found, expected, error: float) -> None:
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=error, atol=error)


@ROWS
@TEMPERATURES
def test_equals_the_plain_way(monkeypatch, rows: int, temperature: float):
    """Whatever the chunks, values and both gradients to 1e-5."""
    chunked(monkeypatch, rows)
    hidden, head, token, upstream = leaves()
    ours, theirs = head(hidden, token, temperature), plain(hidden, head.weight, token, temperature)
    assert_near(ours, theirs, 1e-5)
    inputs = [hidden, head.weight]
    assert_near(*(torch.autograd.grad(way[0], inputs, upstream[0]) for way in (ours, theirs)), 1e-5)


@ROWS
@TEMPERATURES
@pytest.mark.parametrize("outputs", [[0], [1], [0, 1]], ids=["logp", "entropy", "both"])
def test_entropy_gradient_equals_the_plain_way(monkeypatch, rows: int, temperature: float, outputs: list[int]):
    """In fp64: against autograd through the formula, to 1e-12, and against differences of the values."""
    chunked(monkeypatch, rows)
    hidden, head, token, upstream = leaves(torch.float64)
    ours = head(hidden, token, temperature, entropy_gradient=True)
    theirs = plain(hidden, head.weight, token, temperature)
    assert_near(ours, theirs, 1e-12)
    found, expected = (
        torch.autograd.grad([way[i] for i in outputs], [hidden, head.weight], [upstream[i] for i in outputs])
        for way in (ours, theirs)
    )
    assert_near(found, expected, 1e-12)

    def scores(hidden, weight):
        both = ChunkedLogps.apply(hidden, weight, token, temperature, True)
        return tuple(both[i] for i in outputs)

    assert torch.autograd.gradcheck(scores, (hidden, head.weight), fast_mode=True)


def test_entropy_has_a_gradient_only_when_asked_for():
    """The same values either way; who does not ask has nothing more kept for the backward pass."""
    hidden, head, token, _ = leaves()
    (logp, entropy), asked = head(hidden, token, 0.7), head(hidden, token, 0.7, entropy_gradient=True)
    assert not entropy.requires_grad
    assert asked[1].requires_grad
    assert [len(scores.grad_fn.saved_tensors) for scores in (logp, asked[0])] == [3, 4]
    for without, with_gradient in zip((logp, entropy), asked, strict=True):
        assert torch.equal(without, with_gradient)


def test_asking_leaves_the_gradient_of_logp_as_it_is():
    """Also where nothing comes back through the entropy."""
    hidden, head, token, upstream = leaves()
    without, asked = (
        torch.autograd.grad(head(hidden, token, 0.7, gradient)[0], [hidden, head.weight], upstream[0])
        for gradient in (False, True)
    )
    assert_near(without, asked, 1e-6)


def test_autocast_computes_as_the_plain_way_does():
    """bf16 products in the forward and the backward pass, fp32 sums."""
    hidden, head, token, upstream = leaves()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = head(hidden, token, 1.0, entropy_gradient=True), plain(hidden, head.weight, token, 1.0)
    assert ours[0].dtype == ours[1].dtype == torch.float32
    assert_near(ours, theirs, 1e-5)
    for one, other, back in zip(ours, theirs, upstream, strict=True):
        grads = (torch.autograd.grad(way, [hidden, head.weight], back, retain_graph=True) for way in (one, other))
        assert_near(*grads, 0.05)


@pytest.mark.parametrize("scale", [10, 1000])
def test_sharp_distributions(scale: int):
    """Where nearly all probabilities underflow to 0, gradients are those of fp64."""
    hidden, head, token, upstream = leaves()
    with torch.no_grad():
        hidden *= scale
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, head.weight)]
    ours, theirs = head(hidden, token, 0.7, entropy_gradient=True), plain(*exact, token, 0.7)
    found = torch.autograd.grad(ours, [hidden, head.weight], list(upstream))
    expected = torch.autograd.grad(theirs, exact, list(upstream.double()))
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-3, atol=1e-5 * float(want.abs().max()))


def test_a_logit_of_minus_infinity_is_a_token_that_is_not_there():
    """As an overflow gives it: its log-probability is -inf, its part of entropy and gradient 0."""
    hidden, head, token, upstream = leaves()
    token = token.clamp(min=1)
    with torch.no_grad():
        hidden[:, 0], head.weight[:, 0], head.weight[0, 0] = 1e20, 0.0, -1e20
    ours, theirs = head(hidden, token, 0.7, entropy_gradient=True), plain(hidden, head.weight[1:], token - 1, 0.7)
    assert_near(ours, theirs, 1e-5)
    assert_near(*(torch.autograd.grad(way, hidden, list(upstream)) for way in (ours, theirs)), 1e-5)


@pytest.mark.parametrize("entropy_gradient", [False, True])
def test_no_rows_and_a_frozen_head(entropy_gradient: bool):
    """A micro-batch without completions, and LoRA's frozen head."""
    hidden, head, token, _ = leaves()
    nothing = head(hidden[:0], token[:0], 1.0, entropy_gradient)
    assert nothing[0].shape == nothing[1].shape == (0,)
    sum(nothing).sum().backward()
    assert not hidden.grad.any()
    assert not head.weight.grad.any()
    head.weight.grad = None
    head.weight.requires_grad_(False)
    sum(head(hidden, token, 1.0, entropy_gradient)).sum().backward()
    assert hidden.grad.any()
    assert head.weight.grad is None


def test_a_tied_head():
    """The matrix that embeds and scores gets both gradients."""
    _, head, token, upstream = leaves(torch.float64)
    hidden = torch.nn.functional.embedding(token.flip(0), head.weight)
    ours, theirs = head(hidden, token, 0.7, entropy_gradient=True), plain(hidden, head.weight, token, 0.7)
    assert_near(
        *(torch.autograd.grad(w, head.weight, list(upstream), retain_graph=True) for w in (ours, theirs)), 1e-12
    )


def test_completions_hand_the_entropy_gradient_on():
    """From `completion_logps` to a policy's weights."""
    policy, completion = model("qwen2"), Completion((1, 2, 3), (0.0,) * 3, "", "stop")
    batch = packed([TrainingSample(Problem("0", "", (4, 5), ""), completion, 1.0, 1.0)], version=0)
    assert not completion_logps(policy, batch, 0.7).entropy_BT.requires_grad
    completion_logps(policy, batch, 0.7, entropy_gradient=True).entropy_BT.sum().backward()
    found = policy.lm_head.weight.grad.clone()
    policy.zero_grad()
    logits = policy(torch.tensor([[4, 5, 1, 2]])).logits[0, 1:] / 0.7
    torch.distributions.Categorical(logits=logits).entropy().sum().backward()
    torch.testing.assert_close(found, policy.lm_head.weight.grad, rtol=1e-5, atol=1e-6)


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
