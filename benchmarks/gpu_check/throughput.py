"""Measures tokens a second of training and sampling with random weights, and the share of the device's arithmetic."""

import math
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.policies import config_of, micro_batch, need_memory, policy_of, samples
from benchmarks.gpu_check.results import Finding
from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS
from rlvr.rollout import Host, Sampling, named_weights
from rlvr.rollout.hf import HFEngine
from rlvr.scoring.logprobs import completion_logps
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import listed_peak

FORMULA = "3 x (2 x weights x tokens + 2 x head x scored tokens + 4 x heads' width x layers x pairs that attend)"
MEASURED = 3  # times, after two that are not counted


def training(device: torch.device, folder: Path) -> Finding:
    """Forward, backward and AdamW on a micro-batch of 0.5B, gradients checkpointed, bf16 over fp32 weights."""
    if device.type == "cpu":
        return _trained("tiny", 8, 64, 64, device)
    need_memory(20)
    return _trained("0.5B", 16, 128, 896, device)


def training_larger(device: torch.device, folder: Path) -> Finding:
    """The same with 1.5B."""
    need_memory(42)
    return _trained("1.5B", 16, 128, 896, device)


def _trained(shape: str, rows: int, prompt: int, completion: int, device: torch.device) -> Finding:
    seconds, passed, loss = _training_step(shape, rows, prompt, completion, device)
    tokens = passed.tokens
    numbers: dict[str, Any] = {"shape": shape, "packed tokens a step": tokens, "seconds a step": seconds}
    numbers |= {"tokens/s": tokens / seconds, "model FLOP": FORMULA, "loss": loss}
    said = f"{shape}: {tokens / seconds:,.0f} tokens/s"
    if not math.isfinite(loss):
        return Finding(False, f"{shape}: the loss is {loss}", numbers)
    if peak := listed_peak(torch.cuda.get_device_name(), torch.bfloat16) if device.type == "cuda" else None:
        size = PolicySize.of(config_of(shape))
        forward, trained = size.forward(passed), size.forward(passed) + size.backward(passed)
        used = trained / seconds / peak.flops
        numbers |= {"bf16 peak, TFLOP/s": peak.flops / 1e12, "model-FLOPs utilisation": used}
        numbers["with what is recomputed"] = (trained + forward) / seconds / peak.flops
        said += f", {100 * used:.0f} % of the peak"
    return Finding(True, said, numbers)


def _training_step(
    shape: str, rows: int, prompt: int, completion: int, device: torch.device
) -> tuple[float, Passed, float]:
    """Seconds of a step, the tokens that went through the policy, and the loss of the last step."""
    policy: Any = policy_of(shape, device).train()
    policy.gradient_checkpointing_enable({"use_reentrant": False})
    batch = micro_batch(policy, rows, prompt, completion).to(device)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-6, fused=True)
    loss = torch.zeros(())

    def step() -> None:
        nonlocal loss
        with torch.autocast(device.type, torch.bfloat16):
            logp_BT = completion_logps(policy, batch, 1.0).logp_BT
        loss = -(logp_BT * batch.advantage_BT * batch.weight_BT).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    seconds = _timed(step, device, skipped=2)
    return seconds, batch.passed, float(loss)


def sampling(device: torch.device, folder: Path) -> Finding:
    """Completions of a random policy of 0.5B: by vLLM if it is installed, seeded and unseeded; else by transformers."""
    return _sampled("0.5B", device, folder) if device.type == "cuda" else _sampled("tiny", device, folder)


def sampling_larger(device: torch.device, folder: Path) -> Finding:
    """The same with 1.5B, in a process of its own."""
    return _sampled("1.5B", device, folder)


def _sampled(shape: str, device: torch.device, folder: Path) -> Finding:
    on_gpu = device.type == "cuda"
    if on_gpu:
        need_memory(20)
    policy: Any = policy_of(shape, device, torch.bfloat16 if on_gpu else torch.float32).eval()
    prompts, group, new = (64, 8, 256) if on_gpu else (8, 2, 32)
    problems = [row.problem for row in samples(policy.config.vocab_size, prompts, 64, 1, group=1)]
    rate = partial(_rate, problems=problems, group=group, new=new, device=device)
    numbers = _by_vllm(policy, rate, folder) if find_spec("vllm") else _by_transformers(policy, rate)
    numbers |= {"completions": prompts * group, "longest, tokens": new}
    said = [f"{shape}: {numbers['tokens/s']:,.0f} tokens/s by {numbers['engine']}"]
    if "tokens/s, unseeded" in numbers:
        said.append(f"{numbers['tokens/s, unseeded'] / numbers['tokens/s']:.2f} times that unseeded")
    if peak := listed_peak(torch.cuda.get_device_name(), torch.bfloat16) if on_gpu else None:
        per_token = PolicySize.of(policy.config).forward(Passed(1, 1, 0))
        numbers["bf16 peak, TFLOP/s"] = peak.flops / 1e12
        numbers["model-FLOPs utilisation, attention left out"] = per_token * numbers["tokens/s"] / peak.flops
    return Finding(True, ", ".join(said), numbers)


def _by_transformers(policy: Any, rate: Callable[[Any], float]) -> dict[str, Any]:
    host = Host(policy, character_tokenizer(CHARACTERS), partial(named_weights, policy), policy.device)
    return {"engine": "transformers", "tokens/s": rate(HFEngine(host, max_tokens=262_144))}


def _by_vllm(policy: Any, rate: Callable[[Any], float], folder: Path) -> dict[str, Any]:
    from benchmarks.gpu_check.engine import engine_of, host_of

    on_gpu = policy.device.type == "cuda"
    start = time.perf_counter()
    cache_gib = 8.0 if on_gpu else 0.25
    engine = engine_of(host_of(policy), "bfloat16" if on_gpu else "float32", cache_gib, folder, max_num_seqs=512)
    built = time.perf_counter() - start
    seeded, numbers = engine._parameters, {"engine": f"vLLM ({_runner(engine)})", "built, s": built}

    def unseeded(*arguments: Any) -> Any:
        parameters = seeded(*arguments)
        parameters.seed = None
        return parameters

    numbers["tokens/s"] = rate(engine)
    engine._parameters = unseeded
    numbers["tokens/s, unseeded"] = rate(engine)
    engine.close()
    return numbers


def _rate(engine: Any, *, problems: list, group: int, new: int, device: torch.device) -> float:
    """Sampled tokens a second, without the time of the sync."""
    engine.sync(0)
    tokens = 0

    def call() -> None:
        nonlocal tokens
        rollouts_P = engine.generate(problems, group, Sampling(new), 0, 0)
        tokens = sum(len(rollout.token_ids) for rollouts in rollouts_P for rollout in rollouts)

    return _timed(call, device, skipped=1, over=lambda: tokens)


def _timed(
    action: Callable[[], None], device: torch.device, skipped: int, over: Callable[[], float] | None = None
) -> float:
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
    return f"model runner {kind}"
