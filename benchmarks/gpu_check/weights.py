"""Checks whether weights move at lr 1e-6, where a bf16 number is too coarse to hold a step of Adam."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.policies import Way, cast, free, micro_batch, need_memory, policy_of, shape_for, train
from benchmarks.gpu_check.results import Finding
from rlvr.scoring import MicroBatch

STEPS, LR = 5, 1e-6
LEAST_SHARE = 0.95
# Limits of the distance from the fp32 twin over the twin's own distance from the start. 0: as the twin; 1: not moved.
MOST_DISTANCE = 0.5

Weights = dict[str, Tensor]


def plain(device: torch.device, folder: Path) -> Finding:
    """Mixed precision over fp32 weights on one device and, for comparison, training of bf16 weights."""
    shape = shape_for(device)
    if device.type == "cuda":
        need_memory(14)
    policy = policy_of(shape, device)
    start, batches = weights_of(policy), _batches(policy)
    twin = _after(policy, batches, device, "32-true")
    del policy
    mixed = _after(policy_of(shape, device), batches, device, "bf16-mixed")
    rounded = _after(cast(policy_of(shape, device), torch.bfloat16), batches, device, "bf16-mixed")
    rounded_start = {name: tensor.bfloat16().float() for name, tensor in start.items()}
    numbers = {
        "shape": shape,
        "steps": STEPS,
        "changed, fp32": changed(start, twin),
        "changed, bf16-mixed over fp32 weights": changed(start, mixed),
        "distance from fp32 over the way, bf16-mixed": distance(mixed, start, twin),
        "changed, bf16 weights and plain AdamW (not judged)": changed(rounded_start, rounded),
        "distance from fp32 over the way, bf16 weights (not judged)": distance(
            {name: tensor + start[name] - rounded_start[name] for name, tensor in rounded.items()}, start, twin
        ),
    }
    return judged(numbers, {"bf16-mixed": (changed(start, mixed), distance(mixed, start, twin))})


def sharded(device: torch.device, folder: Path) -> Finding:
    """bf16 weights with DeepSpeed's fp32 copies of them, which have to move."""
    from rlvr.strategy import ShardedStrategy, whole_weights

    rounded = cast(policy_of("tiny", device), torch.bfloat16)
    start, batches = weights_of(rounded), _batches(rounded)
    twin = _after(cast(rounded, torch.float32), batches, device, "32-true")
    numbers: dict[str, Any] = {"shape": "tiny", "steps": STEPS}
    verdicts: dict[str, tuple[float, float]] = {}
    buffers: set[tuple[torch.dtype, str]] = set()
    for stage in (2, 3):
        policy = cast(policy_of("tiny", device), torch.bfloat16)
        way, checkpoint = Way("bf16-true", ShardedStrategy(stage=stage), lr=LR), folder / f"zero{stage}"
        train(policy, batches, device, way, at_end=partial(_save, checkpoint, buffers))
        whole = whole_weights(checkpoint)
        weights = {name.removeprefix("policy."): tensor for name, tensor in whole.items()}
        found = changed(start, weights), distance(weights, start, twin)
        numbers |= {f"changed, ZeRO-{stage}": found[0], f"distance from fp32 over the way, ZeRO-{stage}": found[1]}
        verdicts[f"ZeRO-{stage}"] = found
    finding = judged(numbers, verdicts)
    if buffers != {(torch.float32, device.type)}:  # RoPE's frequencies
        return Finding(False, f"buffers are {sorted(map(str, buffers))}, not in fp32 on the {device.type}", numbers)
    return finding


def _save(checkpoint: Path, buffers: set[tuple[torch.dtype, str]], trainer: Any, module: Any) -> None:
    buffers |= {(buffer.dtype, buffer.device.type) for buffer in module.policy.buffers()}
    trainer.save_checkpoint(checkpoint)


def judged(numbers: dict[str, Any], verdicts: dict[str, tuple[float, float]]) -> Finding:
    """The finding, by share and distance of every way of training."""
    bad = [
        f"{way}: {100 * share:.2f} % of the weights moved and they end {far:.2f} of the way from their fp32 twin"
        for way, (share, far) in verdicts.items()
        if not (share > LEAST_SHARE and far < MOST_DISTANCE)
    ]
    good = ", ".join(f"{100 * share:.2f} % moved ({way}), {far:.2f} off" for way, (share, far) in verdicts.items())
    return Finding(not bad, "; ".join(bad) or good, numbers)


def changed(before: Weights, after: Weights) -> float:
    """The share of numbers that have changed."""
    same = sum(int((after[name].float() == tensor.float()).sum()) for name, tensor in before.items())
    return 1 - same / sum(tensor.numel() for tensor in before.values())


def distance(weights: Weights, start: Weights, twin: Weights) -> float:
    """Mean |weights - twin| over mean |twin - start|."""
    off = sum(float((weights[name].float() - twin[name]).abs().double().sum()) for name in start)
    way = sum(float((twin[name] - start[name].float()).abs().double().sum()) for name in start)
    return off / way


def weights_of(policy: Any) -> Weights:
    """A copy of the weights on the CPU, with tied weights once."""
    return {name: parameter.detach().cpu().clone() for name, parameter in policy.named_parameters()}


def _after(policy: Any, batches: list[MicroBatch], device: torch.device, precision: Any) -> Weights:
    train(policy, batches, device, Way(precision, lr=LR))
    weights = weights_of(policy.cpu())
    free()
    return weights


def _batches(policy: Any) -> list[MicroBatch]:
    return [micro_batch(policy, rows=8, prompt=16, completion=64, seed=step) for step in range(STEPS)]
