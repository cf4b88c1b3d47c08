"""Compares the plan's activations and logits with what a micro-batch takes."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.policies import GIB, config_of, free, need_memory, policy_of, samples
from benchmarks.gpu_check.results import Finding
from rlvr.preflight.activations import Step, precision_of, shape_of
from rlvr.scoring import MicroBatch, packed
from rlvr.scoring.logprobs import completion_logps

PROMPT, COMPLETION = 128, 897  # a micro-batch's rows: four completions to a prompt
TOKENS = 16_384
# Measured over planned. Too little planned ends a run, too much only wastes; kernels' workspaces are not in the plan.
LEAST, MOST = 0.7, 1.15


def peak(device: torch.device, folder: Path) -> Finding:
    """Two shapes, with weights in bf16 as under DeepSpeed and in fp32 as under mixed precision."""
    need_memory(20)
    numbers: dict[str, Any] = {"packed tokens": len(batch_of(config_of("0.5B")).token_N)}
    bad, ratios = [], []
    for shape in ("0.5B", "1.5B"):
        for half in (True, False):
            kind = f"{shape}, {'bf16' if half else 'fp32 mixed'}"
            batch = batch_of(config_of(shape))
            planned = planned_gib(config_of(shape), batch, half)
            measured = _measured(shape, half, batch.to(device), device)
            free()
            ratio = measured / planned
            ratios.append(f"{ratio:.2f}")
            numbers |= {f"planned, GiB: {kind}": planned, f"measured, GiB: {kind}": measured, f"ratio: {kind}": ratio}
            if not LEAST < ratio < MOST:
                bad.append(f"{kind}: {measured:.2f} GiB measured, {planned:.2f} planned")
    return Finding(not bad, "; ".join(bad) or f"measured over planned: {', '.join(ratios)}", numbers)


def planned_gib(config: Any, batch: MicroBatch, half: bool) -> float:
    """The GiB that the plan counts for activations of this micro-batch, including logits."""
    tokens = len(batch.token_N)
    cells = sum(table.numel() for table in batch.rows.tables)
    precision = precision_of("bf16-true" if half else "bf16-mixed", lora=False)
    step = Step(shape_of(config), precision, tokens, cells / tokens, lora=False, checkpointing=True, entropy=False)
    return step.bytes / GIB


def batch_of(config: Any) -> MicroBatch:
    """Four completions to a prompt, about `TOKENS` in all."""
    completions = TOKENS // (PROMPT // 4 + COMPLETION - 1) // 4 * 4
    return packed(samples(config.vocab_size, completions, PROMPT, COMPLETION), version=0)


def _measured(shape: str, half: bool, batch: MicroBatch, device: torch.device) -> float:
    """Peak of the forward and backward pass in addition to weights and gradients, which exist before."""
    policy: Any = policy_of(shape, device, torch.bfloat16 if half else torch.float32)
    policy.train().gradient_checkpointing_enable({"use_reentrant": False})

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=not half):
            logp_BT = completion_logps(policy, batch, 1.0).logp_BT
        (logp_BT * batch.weight_BT).sum().backward()

    step()  # warm-up: it loads kernels and makes gradients
    torch.cuda.synchronize()
    free()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / GIB
