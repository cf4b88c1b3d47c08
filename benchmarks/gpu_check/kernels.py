"""Compares attention and log-probabilities on this device with the plain way, and shows which kernels run."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.gpu_check.policies import GIB, policy_of, samples
from benchmarks.gpu_check.results import Finding
from rlvr.scoring import packed
from rlvr.scoring.attention import packed_attention
from rlvr.scoring.head import ScoringHead
from rlvr.scoring.logprobs import completion_logps
from rlvr.step import TrainingSample

BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
HEADS, SHARED, WIDTH = 12, 2, 128  # of the 1.5B shape
EXACT, ROUNDED = 1e-4, 2.0  # largest error in fp32, nats; in bf16, error over that of the plain way


def attention(device: torch.device, folder: Path) -> Finding:
    """Packed equals padded up to rounding, and attention's memory grows with the tokens, not with their square."""
    numbers: dict[str, Any] = {}
    for name, dtype in DTYPES.items():
        numbers[f"kernels that take grouped heads, {name}"] = ", ".join(_takers(device, dtype)) or "none"
    bad = []
    if device.type == "cuda":
        for name, dtype in DTYPES.items():
            short, long = (_memory(device, dtype, rows, 16_384 // rows) for rows in (16, 2))
            numbers |= {f"GiB of 16 x 1,024 tokens, {name}": short, f"GiB of 2 x 8,192 tokens, {name}": long}
            if long > 1.5 * short + 0.1:
                bad.append(
                    f"in {name} rows eight times as long take {long:.1f} GiB in place of {short:.1f}: S x S is held"
                )
    policy, rows = policy_of("tiny", device), samples(256, 12, 9, 20)
    rows[5] = TrainingSample(rows[5].problem, _cut(rows[5].completion, 3), 1.0, 0.0)  # rows of several lengths
    exact = _plain(policy, rows)
    error = float((_packed(policy, rows) - exact).abs().max())
    numbers["packed - padded in fp32, largest, nats"] = error
    bad += [f"in fp32 packed attention is {error:.2g} nats from padded"] * (not error < EXACT)
    with torch.autocast(device.type, torch.bfloat16):
        found = [float((way(policy, rows).float() - exact).abs().mean()) for way in (_packed, _plain)]
    numbers |= {"packed in bf16, mean error, nats": found[0], "padded in bf16, mean error, nats": found[1]}
    bad += [f"in bf16 packed is off by {found[0]:.2g} nats and padded by {found[1]:.2g}"] * (
        not found[0] < ROUNDED * found[1]
    )
    return Finding(not bad, "; ".join(bad) or f"packed = padded to {error:.1g} nats; {_first(numbers)}", numbers)


def logprobs(device: torch.device, folder: Path) -> Finding:
    """Compares values and gradients of several chunks with those of one softmax over all logits in fp64."""
    vocabulary, hidden, tokens = (151_936, 896, 1000) if device.type == "cuda" else (50_000, 64, 1500)
    torch.manual_seed(0)
    head = ScoringHead(hidden, vocabulary, bias=False, device=device)
    states_NH = torch.randn(tokens, hidden, device=device)
    token_N = torch.randint(vocabulary, (tokens,), device=device)
    exact = _values(partial(_plain_logps, double=True), head, states_NH, token_N)
    numbers: dict[str, Any] = {"tokens": tokens, "vocabulary": vocabulary}
    bad = []
    for name, dtype in DTYPES.items():
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            ours, plain = (_values(way, head, states_NH, token_N) for way in (_chunked, _plain_logps))
        for what, mine, its, true in zip(("logp", "gradient", "weights' gradient"), ours, plain, exact, strict=True):
            errors = [float((found.double() - true).abs().max() / true.abs().max()) for found in (mine, its)]
            numbers |= {f"{what}, {name}: largest error": errors[0], f"{what}, {name}: of the plain way": errors[1]}
            if not errors[0] < ROUNDED * errors[1] + (EXACT if dtype == torch.float32 else 0.0):
                bad.append(f"{what} in {name} is off by {errors[0]:.2g}, the plain way by {errors[1]:.2g}")
    return Finding(not bad, "; ".join(bad) or "values and gradients are as exact as the plain way's", numbers)


# --- attention ------------------------------------------------------------------------------------------------


def _takers(device: torch.device, dtype: torch.dtype) -> list[str]:
    q, k = (torch.randn(2, heads, 256, WIDTH, device=device, dtype=dtype) for heads in (HEADS, SHARED))
    takers = []
    for backend in BACKENDS:
        try:
            with sdpa_kernel([backend]):
                scaled_dot_product_attention(q, k, k, is_causal=True, enable_gqa=True)
        except RuntimeError:
            continue
        takers.append(backend.name)
    return takers


def _memory(device: torch.device, dtype: torch.dtype, rows: int, length: int) -> float:
    """GiB that the forward and backward pass of packed attention take in addition to their inputs."""
    batch = packed(samples(256, rows, 8, length - 7, group=1), version=0).to(device)
    tokens = len(batch.token_N)
    q, k, v = (
        torch.randn(1, heads, tokens, WIDTH, device=device, dtype=dtype, requires_grad=True)
        for heads in (HEADS, SHARED, SHARED)
    )
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    try:
        out, _ = packed_attention(torch.nn.Module(), q, k, v, None, rows=batch.rows)
        out.sum().backward()
    except torch.OutOfMemoryError:
        return torch.cuda.get_device_properties(0).total_memory / GIB  # it would take even more
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / GIB


def _packed(policy: Any, rows: list[TrainingSample]) -> Tensor:
    batch = packed(rows, version=0).to(policy.device)
    with torch.no_grad():
        return completion_logps(policy, batch, 1.0).logp_BT[batch.mask_BT.bool()]


def _plain(policy: Any, rows: list[TrainingSample]) -> Tensor:
    """Log-probabilities by the model as transformers calls it, one sequence at a time, without padding and packing."""
    found = []
    for row in rows:
        prompt, completion = row.problem.prompt_ids, row.completion.token_ids
        ids = torch.tensor([prompt + completion], device=policy.device)
        with torch.no_grad():
            logits = policy(ids, use_cache=False).logits[0, len(prompt) - 1 : -1].float()
        found.append(logits.log_softmax(-1).gather(1, ids[0, len(prompt) :, None])[:, 0])
    return torch.cat(found)


def _cut(rollout: Any, length: int) -> Any:
    return type(rollout)(rollout.token_ids[:length], rollout.logps[:length], "", "stop")


def _first(numbers: dict[str, Any]) -> str:
    return "; ".join(f"{name.rpartition(', ')[2]}: {value}" for name, value in numbers.items() if "kernels" in name)


# --- log-probabilities ----------------------------------------------------------------------------------------


def _chunked(head: ScoringHead, states_NH: Tensor, token_N: Tensor) -> Tensor:
    return head(states_NH, token_N, 0.9)[0]


def _plain_logps(head: ScoringHead, states_NH: Tensor, token_N: Tensor, double: bool = False) -> Tensor:
    logits_NV = states_NH.double() @ head.weight.double().T if double else head(states_NH).float()
    return (logits_NV / 0.9).log_softmax(-1).gather(1, token_N[:, None])[:, 0]


def _values(way: Any, head: ScoringHead, states_NH: Tensor, token_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    states_NH = states_NH.clone().requires_grad_()
    head.weight.grad = None
    logp_N = way(head, states_NH, token_N)
    (logp_N * torch.linspace(-1, 1, len(logp_N), device=logp_N.device)).sum().backward()
    assert states_NH.grad is not None
    assert head.weight.grad is not None
    return logp_N.detach(), states_NH.grad, head.weight.grad
