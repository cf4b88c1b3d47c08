"""Checks the vLLM engine: its log-probabilities against the trainer's, with and without faults; sleeping and waking."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.policies import GIB, need_memory, policy_of, samples, shape_for
from benchmarks.gpu_check.results import Finding
from rlvr.callbacks import Mismatch
from rlvr.callbacks.mismatch import EXACT_LIMIT, ROUNDED_LIMIT
from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS
from rlvr.models import trainable
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.scoring import packed
from rlvr.scoring.logprobs import completion_logps
from rlvr.step import TrainingSample
from rlvr.types import Problem

PROMPT, TOKENS, GROUP = 16, 48, 8


def engine_of(host: Host, dtype: str, kv_cache_gib: float, folder: Path, max_num_seqs: int = 256) -> Any:
    """A vLLM engine beside the policy, as a run builds it; it keeps its config in the check's folder."""
    settings = VLLM(
        max_model_len=512,
        kv_cache_gib=kv_cache_gib,
        max_num_seqs=max_num_seqs,
        tensor_parallel_size=1,
        dtype=dtype,
        hang_timeout_s=60.0,
        cache_dir=folder,
    )
    return settings.build(host)


def host_of(policy: Any, weights: Any = None) -> Host:
    """The policy with a tokenizer that can decode any sample, if not to a useful text."""
    return Host(policy, character_tokenizer(CHARACTERS), weights or partial(named_weights, policy), policy.device)


def problems_of(policy: Any, count: int, seed: int = 0) -> list[Problem]:
    """Prompts of random tokens."""
    rows = samples(policy.config.vocab_size, count, PROMPT, 1, group=1, seed=seed)
    return [row.problem for row in rows]


def mismatch(policy: Any, engine: Any, version: int) -> Mismatch:
    """Samples from the engine as it is, and scores what it sampled with the policy."""
    problems = problems_of(policy, 8, seed=version)
    rollouts_P = engine.generate(problems, GROUP, Sampling(TOKENS), version, version)
    pairs = [(problem, rollout) for problem, rollouts in zip(problems, rollouts_P, strict=True) for rollout in rollouts]
    batch = packed([TrainingSample(*pair, 0.0, 0.0) for pair in pairs], version).to(policy.device)
    half = policy.device.type == "cuda"
    with torch.no_grad(), torch.autocast(policy.device.type, torch.bfloat16, enabled=half):
        logp_BT = completion_logps(policy, batch, 1.0).logp_BT
    mask_BT = batch.mask_BT.bool()
    return Mismatch.between(logp_BT[mask_BT].cpu(), batch.engine_logp_BT[mask_BT].cpu())


# --- mismatch and faults --------------------------------------------------------------------------------------


class Faulty:
    """Passes the policy's weights to the engine, with a fault on demand."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.fault: Callable[[Iterator[tuple[str, Tensor]]], Iterator[tuple[str, Tensor]]] | None = None

    def __call__(self) -> Iterator[tuple[str, Tensor]]:
        """A new pass over the weights."""
        weights = named_weights(self.policy)
        return self.fault(weights) if self.fault else weights


def faults(device: torch.device, folder: Path) -> Finding:
    """Below the guard's limit after a sync, above it with each of three faults; in fp32 on a CPU, in bf16 on a GPU."""
    from peft import LoraConfig

    exact = device.type == "cpu"
    limit = EXACT_LIMIT if exact else ROUNDED_LIMIT
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    policy = trainable(policy_of("tiny", device), lora, gradient_checkpointing=False).eval()
    weights = Faulty(policy)
    start = time.perf_counter()
    engine = engine_of(host_of(policy, weights), "float32" if exact else "bfloat16", 0.25, folder)
    numbers: dict[str, Any] = {"limit, nats": limit, "engine built, s": time.perf_counter() - start}
    found = {"after a sync": _after_sync(policy, engine, 0)}
    _move(policy)
    engine.version = 1  # a fault: it holds version 0
    found["skipped sync"] = mismatch(policy, engine, 1)
    found["after a sync, moved"] = _after_sync(policy, engine, 2)
    weights.fault = _swapped
    found["two layers swapped"] = _after_sync(policy, engine, 3)
    weights.fault = partial(_unmerged, policy)
    found["LoRA's merge forgotten"] = _after_sync(policy, engine, 4)
    weights.fault = None
    found["after a sync, at last"] = _after_sync(policy, engine, 5)
    engine.close()
    for name, each in found.items():
        numbers |= {f"{name}: {what}, nats": getattr(each, what) for what in ("mean", "p95", "max")}
    wrong = [name for name, each in found.items() if (each.mean < limit) is not name.startswith("after a sync")]
    clean = max(each.mean for name, each in found.items() if name.startswith("after a sync"))
    worst = min(each.mean for name, each in found.items() if not name.startswith("after a sync"))
    why = f"clean {clean:.1e} nats, with faults {worst:.1e} and more, limit {limit:.1e}"
    return Finding(not wrong, f"on the wrong side of the limit: {', '.join(wrong)}" if wrong else why, numbers)


def _after_sync(policy: Any, engine: Any, version: int) -> Mismatch:
    engine.sync(version)
    return mismatch(policy, engine, version)


def _move(policy: Any) -> None:
    """Set adapters as long training leaves them: far from 0, so that every fault has an effect."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter += 0.1 * torch.randn_like(parameter)


def _swapped(weights: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    exchange = {"layers.0.": "layers.1.", "layers.1.": "layers.0."}
    for name, tensor in weights:
        layer = next((layer for layer in exchange if layer in name), None)
        yield (name.replace(layer, exchange[layer]) if layer else name), tensor.clone()


def _unmerged(policy: Any, weights: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """The base's own matrices, without the adapters that would be added."""
    base = {name.replace(".base_layer", ""): tensor for name, tensor in policy.get_base_model().named_parameters()}
    for name, tensor in weights:
        yield name, base.get(name, tensor).detach()


# --- sleep ----------------------------------------------------------------------------------------------------


def sleep(device: torch.device, folder: Path) -> Finding:
    """Checks that the engine gives memory back, and that it samples from the current policy after waking."""
    need_memory(12)
    shape, cache_gib = shape_for(device), 4.0
    policy: Any = policy_of(shape, device).eval()
    start = time.perf_counter()
    engine = engine_of(host_of(policy), "bfloat16", cache_gib, folder)
    numbers: dict[str, Any] = {"shape": shape, "built, s": time.perf_counter() - start}
    engine.sync(0)
    first = mismatch(policy, engine, 0)
    awake = _free_gib()
    numbers["falls asleep, s"] = _seconds(engine.sleep)
    given = _free_gib() - awake
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter *= 1.02
    numbers["wakes and takes the weights, s"] = _seconds(partial(engine.sync, 1))
    later = mismatch(policy, engine, 1)
    engine.sleep()
    held = _free_gib() - awake - given
    engine.close()
    weights_gib = sum(parameter.numel() for parameter in policy.parameters()) * 2 / GIB
    numbers |= {"given back, GiB": given, "weights and cache, GiB": weights_gib + cache_gib, "second sleep, GiB": held}
    for name, each in (("first rollout", first), ("after waking", later)):
        numbers |= {f"{name}: {what}, nats": getattr(each, what) for what in ("mean", "p95", "max")}
    bad = []
    if given < 0.9 * (weights_gib + cache_gib):
        bad.append(f"asleep it gives back {given:.1f} GiB of {weights_gib + cache_gib:.1f}")
    if abs(held) > 0.5:
        bad.append(f"asleep a second time, {held:+.1f} GiB are free in comparison with the first")
    bad += [
        f"{name} is {each.mean:.2g} nats from the trainer"
        for name, each in (("the first rollout", first), ("a rollout after waking", later))
        if not each.mean < ROUNDED_LIMIT
    ]
    return Finding(
        not bad, "; ".join(bad) or f"{given:.1f} GiB given back; {later.mean:.1e} nats after waking", numbers
    )


def _seconds(action: Callable[[], None]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def _free_gib() -> float:
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0] / GIB
