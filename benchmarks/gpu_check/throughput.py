"""Tokens a second of training and sampling with random weights, and how much of the device's arithmetic that is."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.flops import Work, peak_tflops
from benchmarks.gpu_check.policies import config_of, free, micro_batch, need_memory, policy_of, samples
from benchmarks.gpu_check.results import Finding
from rlvr.data.countdown import character_tokenizer
from rlvr.rollout import HFEngine, Sampling, named_weights
from rlvr.training.logprobs import completion_logps

FORMULA = "3 x (2 x weights x tokens + 2 x head x scored tokens + 4 x heads' width x layers x pairs of tokens)"
MEASURED = 3  # times, after two that are not counted


def training(device: torch.device, folder: Path) -> Finding:
    """Forward, backward and AdamW on one micro-batch, gradients checkpointed, bf16 over fp32 weights."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        need_memory(40)
    shapes = [("0.5B", 16, 1024), ("1.5B", 16, 1024)] if on_gpu else [("tiny", 8, 128)]
    peak = peak_tflops(torch.cuda.get_device_name()) if on_gpu else None
    numbers: dict[str, Any] = {"model FLOP": FORMULA, "bf16 peak, TFLOP/s": peak or "not in the table"}
    said = []
    for shape, rows, length in shapes:
        seconds, tokens, loss = _training_step(shape, rows, length, device)
        free()
        config = config_of(shape)
        work = Work.of(config, tokens, rows * (length - 128 if on_gpu else length // 2), [length] * rows)
        numbers |= {f"{shape}: packed tokens a step": tokens, f"{shape}: seconds a step": seconds}
        numbers[f"{shape}: tokens/s"] = tokens / seconds
        said.append(f"{shape} {tokens / seconds:,.0f} tokens/s")
        if not loss < float("inf"):
            return Finding(False, f"{shape}: the loss is {loss}", numbers)
        if peak:
            numbers[f"{shape}: model-FLOPs utilisation"] = work.training / seconds / peak / 1e12
            numbers[f"{shape}: with what is recomputed"] = (work.training + work.recomputed) / seconds / peak / 1e12
            said[-1] += f" ({100 * work.training / seconds / peak / 1e12:.0f} % of peak)"
    return Finding(True, "; ".join(said), numbers)


def _training_step(shape: str, rows: int, length: int, device: torch.device) -> tuple[float, int, float]:
    """Seconds of a step, packed tokens, loss of the last one."""
    policy: Any = policy_of(shape, device).train()
    policy.gradient_checkpointing_enable({"use_reentrant": False})
    prompt = 128 if device.type == "cuda" else length // 2
    batch = micro_batch(policy, rows, prompt, length - prompt).to(device)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-6, fused=True)
    loss = torch.zeros(())

    def step() -> None:
        nonlocal loss
        with torch.autocast(device.type, torch.bfloat16):
            logp_BT = completion_logps(policy, batch, 1.0).logp_BT
        loss = -(logp_BT.sum(dim=1) * batch.advantage_B * batch.weight_B).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = _timed(step, device, skipped=2)
    return seconds, len(batch.token_N), abs(float(loss))


def sampling(device: torch.device, folder: Path) -> Finding:
    """Completions of random policies: vLLM, seeded as always and unseeded, where it is; else transformers' own."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        need_memory(20)
    cases = [("0.5B", 64, 256), ("1.5B", 64, 256)] if on_gpu else [("tiny", 8, 32)]
    peak = peak_tflops(torch.cuda.get_device_name()) if on_gpu else None
    numbers: dict[str, Any] = {"bf16 peak, TFLOP/s": peak or "not in the table"}
    said = []
    for shape, prompts, new in cases:
        found = _rates(shape, prompts, new, device)
        free()
        said.append(f"{shape} {found['tokens/s']:,.0f} tokens/s")
        if peak:
            per_token = Work.of(config_of(shape), 1, 1, []).forward
            found["model-FLOPs utilisation, attention left out"] = per_token * found["tokens/s"] / peak / 1e12
        numbers |= {f"{shape}: {name}": value for name, value in found.items()}
        said += [found["model runner"]] * ("model runner" in found and len(said) == 1)
        said += [f"unseeded x {found['tokens/s, unseeded'] / found['tokens/s']:.2f}"] * ("tokens/s, unseeded" in found)
    return Finding(True, "; ".join(said), numbers)


def _rates(shape: str, prompts: int, new: int, device: torch.device) -> dict[str, Any]:
    policy: Any = policy_of(shape, device, torch.bfloat16 if device.type == "cuda" else torch.float32).eval()
    problems = [row.problem for row in samples(policy.config.vocab_size, prompts, 64, 1, group=1)]
    group = 8 if device.type == "cuda" else 2
    if not find_spec("vllm"):
        engine: Any = HFEngine(policy, character_tokenizer(), partial(named_weights, policy), max_tokens=262_144)
        return {"engine": "transformers", "tokens/s": _rate(engine, problems, group, new, device)}
    from benchmarks.gpu_check.engine import engine_of

    start = time.perf_counter()
    dtype = "bfloat16" if device.type == "cuda" else "float32"
    engine = engine_of(policy, partial(named_weights, policy), dtype, 8.0 if device.type == "cuda" else 0.25, 512)
    found: dict[str, Any] = {"engine": "vLLM", "built, s": time.perf_counter() - start}
    found["model runner"] = _runner(engine)
    found["tokens/s"] = _rate(engine, problems, group, new, device)
    seeded = engine._parameters

    def unseeded(*arguments: Any) -> Any:
        parameters = seeded(*arguments)
        parameters.seed = None
        return parameters

    engine._parameters = unseeded
    found["tokens/s, unseeded"] = _rate(engine, problems, group, new, device)
    engine.close()
    return found


def _rate(engine: Any, problems: list, group: int, new: int, device: torch.device) -> float:
    """Sampled tokens a second, the sync not counted."""
    engine.sync(0)
    tokens = 0

    def call() -> None:
        nonlocal tokens
        rollouts_P = engine.generate(problems, group, Sampling(new), 0, 0)
        tokens = sum(len(rollout.completion_ids) for rollouts in rollouts_P for rollout in rollouts)

    return _timed(call, device, skipped=1, over=lambda: tokens)


def _timed(action: Callable[[], None], device: torch.device, skipped: int, over: Callable[[], float] | None = None) -> float:
    """Mean seconds of a call after the first `skipped`, or `over` a second."""
    for _ in range(skipped):
        action()
    _wait(device)
    start = time.perf_counter()
    for _ in range(MEASURED):
        action()
    _wait(device)
    seconds = (time.perf_counter() - start) / MEASURED
    return over() / seconds if over else seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _runner(engine: Any) -> str:
    """V2's module is `vllm.v1.worker.gpu.model_runner`, V1's `..._model_runner`."""
    worker = engine.llm.llm_engine.model_executor.driver_worker
    runner = type(getattr(worker, "worker", worker).model_runner)
    kind = "V2" if ".gpu.model_runner" in runner.__module__ else "V1"
    return f"model runner {kind} ({runner.__name__})"
