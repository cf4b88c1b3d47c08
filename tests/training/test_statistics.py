"""Statistics that the output head makes along the way, against whole logits: values, gradients, masks, cost."""

from math import log

import pytest
import torch
from sequences import alone, policy

from rlvr.algo import MinPLogp, NucleusEntropy
from rlvr.scoring.head import ChunkedLogps, ScoringHead
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from tests.training.test_head import ROWS, TEMPERATURES, H, N, V, assert_near, chunked, leaves, plain
from tests.training.test_streams import streamed, written

WIDE, NARROW, PROXY = NucleusEntropy(0.8), NucleusEntropy(0.3), MinPLogp(0.1)
ALL = (WIDE, PROXY, NARROW)


def nucleus_entropy(logits_NV: torch.Tensor, top_p: float) -> torch.Tensor:
    """As one would write it: sort, take what is needed, bring it to 1."""
    sorted_NV = logits_NV.sort(-1, descending=True).values
    p_NV = sorted_NV.softmax(-1)
    needed_NV = p_NV.cumsum(-1) - p_NV < top_p
    q_NV = sorted_NV.masked_fill(~needed_NV, -torch.inf).log_softmax(-1)
    return -(q_NV.exp() * q_NV.masked_fill(~needed_NV, 0.0)).sum(-1)


def min_p_logp(logits_NV: torch.Tensor, token_N: torch.Tensor, min_p: float) -> torch.Tensor:
    p_NV = logits_NV.softmax(-1)
    left_NV = torch.where(p_NV >= min_p * p_NV.amax(-1, keepdim=True), p_NV, 0.0)
    return (left_NV / left_NV.sum(-1, keepdim=True)).log().gather(1, token_N[:, None])[:, 0]


def whole(hidden_NH: torch.Tensor, weight_VH: torch.Tensor, token_N: torch.Tensor, temperature: float):
    """Log-probability, entropy and `ALL`, from logits that are held all at once."""
    logits_NV = hidden_NH @ weight_VH.T / temperature
    inside = [nucleus_entropy(logits_NV, nucleus.top_p) for nucleus in (WIDE, NARROW)]
    proxy_N = min_p_logp(logits_NV, token_N, PROXY.min_p)
    return (*plain(hidden_NH, weight_VH, token_N, temperature), inside[0], proxy_N, inside[1])


@ROWS
@TEMPERATURES
@pytest.mark.parametrize("entropy_gradient", [False, True])
def test_equal_whole_logits(monkeypatch, rows: int, temperature: float, entropy_gradient: bool):
    """Whatever the chunks, in fp64 to 1e-12, with the gradients of log-probability and entropy beside them."""
    chunked(monkeypatch, rows)
    hidden, head, token, _ = leaves(torch.float64)
    token[::2] = (hidden @ head.weight.T).argmax(-1)[::2]
    ours = head(hidden, token, temperature, entropy_gradient, ALL)
    theirs = whole(hidden, head.weight, token, temperature)
    assert_near(ours, theirs, 1e-12)
    assert bool(torch.isinf(ours[3]).any())
    assert bool(torch.isfinite(ours[3]).any())
    assert not ours[3].requires_grad
    outputs = [0, 2, 4, *([1] if entropy_gradient else [])]
    upstream = list(torch.randn(len(outputs), N, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    found, expected = (
        torch.autograd.grad([way[index] for index in outputs], [hidden, head.weight], upstream)
        for way in (ours, theirs)
    )
    assert_near(found, expected, 1e-12)


def test_the_gradient_is_that_of_differences():
    """Of a nucleus' entropy; no token is about to enter or to leave it here."""
    hidden, head, token, _ = leaves(torch.float64)

    def inside(hidden, weight):
        return ChunkedLogps.apply(hidden, weight, token, 0.7, False, (WIDE,))[2]

    assert torch.autograd.gradcheck(inside, (hidden, head.weight), fast_mode=True)


def logits(*probabilities: float) -> tuple[ScoringHead, torch.Tensor]:
    """A head and one hidden state with these probabilities."""
    head = ScoringHead(1, len(probabilities), bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(probabilities).log()[:, None])
    return head, torch.ones(1, 1)


def test_by_hand():
    """Of .5 .3 .2 the first two hold .8, as .625 and .375; two thirds and one third hold .6 of .4 .2 .2 .2, but the
    others are as likely as the second. Less than .5 of the likeliest, .5, is .2: .3 of .8 is left."""
    head, hidden = logits(0.5, 0.3, 0.2)
    token = torch.tensor([1])
    *_, inside, proxy, all_of_it = head(
        hidden, token, 1.0, False, (NucleusEntropy(0.79), MinPLogp(0.5), NucleusEntropy(1))
    )
    assert inside.item() == pytest.approx(-0.625 * log(0.625) - 0.375 * log(0.375))
    assert proxy.item() == pytest.approx(log(0.375))
    assert all_of_it.item() == pytest.approx(-0.5 * log(0.5) - 0.3 * log(0.3) - 0.2 * log(0.2))
    head, hidden = logits(0.4, 0.2, 0.2, 0.2)
    assert head(hidden, token, 1.0, False, (NucleusEntropy(0.59),))[2].item() == pytest.approx(
        -0.4 * log(0.4) - 0.6 * log(0.2)
    )
    head, hidden = logits(0.9, 0.1)
    inside, proxy = head(hidden, token, 1.0, False, (WIDE, MinPLogp(0.2)))[2:]
    assert inside.item() == 0
    assert proxy.item() == -torch.inf


def test_sharp_and_impossible():
    """Probabilities that underflow, and a logit of minus infinity, leave numbers."""
    hidden, head, token, _ = leaves()
    with torch.no_grad():
        hidden *= 100
        hidden[:, 0], head.weight[:, 0], head.weight[0, 0] = 1e20, 0.0, -1e20
    values = head(hidden, token.clamp(min=1), 0.7, True, ALL)
    assert all(bool(torch.isfinite(values[index]).all()) for index in (2, 4))
    sum(values[index].sum() for index in (0, 1, 2, 4)).backward()
    assert bool(torch.isfinite(hidden.grad).all())


def test_nothing_is_kept_that_nobody_asked_for():
    """A nucleus' entropy keeps two numbers a token, a proxy none; a head that is asked for neither does as before."""
    hidden, head, token, _ = leaves()
    asked = [(), (PROXY,), (WIDE,), (WIDE, PROXY, NARROW)]
    kept = [len(head(hidden, token, 0.7, False, statistics)[0].grad_fn.saved_tensors) for statistics in asked]
    assert kept == [3, 3, 5, 7]
    assert [len(head(hidden, token, 0.7, True, statistics)) for statistics in asked] == [2, 3, 3, 5]


def test_no_rows_a_frozen_head_and_autocast():
    """A micro-batch without completions, LoRA's frozen head, and products in bf16 under sums in fp32."""
    hidden, head, token, _ = leaves()
    nothing = head(hidden[:0], token[:0], 1.0, False, ALL)
    assert [len(value) for value in nothing] == [0] * 5
    head.weight.requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = head(hidden, token, 1.0, False, (WIDE,))
        expected = nucleus_entropy((hidden @ head.weight.T).float(), WIDE.top_p)
    assert values[2].dtype == torch.float32
    assert_near([values[2]], [expected], 1e-5)
    values[2].sum().backward()
    assert hidden.grad.shape == (N, H)
    assert head.weight.grad is None
    assert len(head.weight) == V


@pytest.mark.parametrize("rows", [3, 1000])
def test_tokens_that_the_policy_did_not_write_have_none(monkeypatch, rows: int):
    """Packed, in chunks of hidden states, against a plain pass over each sequence: values and weights' gradients."""
    chunked(monkeypatch, rows)
    model, batch = policy("qwen2"), streamed()
    expected = []
    for sample in batch:
        logits_TV = whole_logits(model, sample, 0.7)[written(sample)]
        token_T = torch.tensor(sample.completion.token_ids)[written(sample)]
        proxy_T = min_p_logp(logits_TV, token_T, PROXY.min_p).detach()
        expected.append((nucleus_entropy(logits_TV, WIDE.top_p), proxy_T))
    sum(inside_T.square().sum() for inside_T, _ in expected).backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    micro = packed(batch, version=0)
    found = completion_logps(model, micro, 0.7, statistics=(WIDE, PROXY)).statistic_BT
    found[WIDE].square().sum().backward()
    for row, (sample, values) in enumerate(zip(batch, expected, strict=True)):
        for statistic, value_T in zip((WIDE, PROXY), values, strict=True):
            torch.testing.assert_close(found[statistic][row, written(sample)], value_T, rtol=1e-4, atol=1e-5)
            assert not found[statistic][row][micro.mask_BT[row] == 0].any()
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-4)


def whole_logits(model, sample, temperature: float) -> torch.Tensor:
    """By a plain forward pass over this sequence only."""
    prompt, completion = sample.problem.prompt_ids, sample.completion.token_ids
    logp_T, _ = alone(model, sample, temperature)
    logits_TV = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1] / temperature
    assert len(logits_TV) == len(logp_T)
    return logits_TV


def test_the_old_policys_stay_where_the_policy_moves():
    """A batch that knows them does not take those of now; they move with it to a device."""
    micro = packed(streamed(), version=0)
    now_BT, old_BT = torch.rand(2, *micro.mask_BT.shape)
    assert micro.tokens(now_BT, now_BT, {PROXY: now_BT}).statistic_BT == {PROXY: now_BT}
    known = micro.with_old(now_BT, {PROXY: old_BT})
    seen = known.tokens(now_BT, now_BT, {WIDE: now_BT})
    assert seen.statistic_BT[PROXY] is old_BT
    assert seen.statistic_BT[WIDE] is now_BT
    assert known.to(torch.device("meta")).statistic_BT[PROXY].device.type == "meta"
