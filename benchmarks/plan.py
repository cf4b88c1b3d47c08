"""Compares the plan's activations with a count of what one micro-batch really holds: `python benchmarks/plan.py`.

The real packing, scoring, loss and backward pass run on tensors that have shapes and no memory (FakeTensorMode), so a
7B policy takes seconds on any machine. Every storage that is made is counted until it is freed. Two things are
simulated: attention by a function that saves what flash attention saves, since a CPU would count another kernel's
memory, and ZeRO by freeing each gradient as soon as it is complete. What kernels use internally is not counted.
"""

import random
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM

from rlvr.build import plan_of
from rlvr.console import console
from rlvr.models import trainable
from rlvr.preflight.activations import GIB
from rlvr.preflight.plan import Plan
from rlvr.scoring import attention
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import MicroBatch, packed
from rlvr.step import TrainingSample
from rlvr.tables import Grid
from rlvr.types import Completion, Problem

CONFIGS = Path(__file__).parents[1] / "configs"
TOKENS, PROMPT, LONGEST, GROUP = 32_768, 200, 3_072, 8
BLOCK = 512  # bytes; torch's CUDA allocator gives no less

# What the table shows, and the overrides that choose it.
ROWS = {
    "Qwen2.5-7B bf16": ["experiment=grpo_qwen7b"],
    "Qwen2.5-1.5B bf16": ["experiment=grpo_qwen1_5b"],
    "Qwen2.5-1.5B fp32, mixed": ["experiment=grpo_qwen1_5b", "trainer=gpu", "trainer.devices=1"],
    "Qwen3-4B bf16": ["experiment=grpo_qwen3_4b"],
    "Llama-3.2-3B bf16": ["experiment=grpo_llama3b"],
    "Qwen2.5-7B bf16, LoRA": ["experiment=grpo_qwen7b", "trainer=gpu", "trainer.devices=1", "lora=rank16"],
}


class Held(TorchDispatchMode):
    """Counts the bytes of the storages that exist, without those that existed before."""

    def __init__(self, before: list[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in before}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and record the storages that it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known:
            return
        size = -(-storage.nbytes() // BLOCK) * BLOCK
        self._known.add(key)
        weakref.finalize(storage, self._drop, key, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _drop(self, key: int, size: int) -> None:
        self._known.remove(key)
        self.now -= size


class FlashLike(torch.autograd.Function):
    """Has the shapes of flash attention: it saves query, key, value, output and the rows' log-sums."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """A tensor of the output's shape."""
        out, log_sum = torch.empty_like(query), query.new_empty(query.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, log_sum)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Three gradients."""
        return tuple(map(torch.empty_like, ctx.saved_tensors[:3]))


def flash_like(query: Tensor, key: Tensor, value: Tensor, **settings: Any) -> Tensor:
    """Replaces `scaled_dot_product_attention`, including autocast."""
    device = query.device.type
    half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    return FlashLike.apply(query.to(half), key.to(half), value.to(half))


def micro_batch(tokens: int, seed: int = 0) -> MicroBatch:
    """A micro-batch of exactly `tokens` packed tokens: groups of completions of log-normal length."""
    draw, samples, left, number = random.Random(seed), [], tokens, 0
    while left > PROMPT:
        problem, left = Problem(str(number), "", (1,) * PROMPT, ""), left - PROMPT
        number += 1
        for _ in range(GROUP):
            length = min(max(2, int(draw.lognormvariate(6.6, 0.6))), LONGEST, left + 1)
            if left - (length - 1) <= PROMPT + 1:  # too little for another prompt
                length = left + 1
            if length > 1:
                samples.append(
                    TrainingSample(problem, Completion((1,) * length, (0.0,) * length, "", "stop"), 1.0, 1.0)
                )
                left -= length - 1
    return packed(samples, version=0)


def shapes_only(policy: nn.Module, device: str) -> nn.Module:
    """Give a policy on the `meta` device fake parameters on another, tied ones once. It needs FakeTensorMode."""
    made: dict[int, nn.Parameter] = {}
    for module in policy.modules():
        for name, value in module._parameters.items():
            if value is not None and id(value) not in made:
                empty = torch.empty(value.shape, dtype=value.dtype, device=device)
                made[id(value)] = nn.Parameter(empty, requires_grad=value.requires_grad)
            module._parameters[name] = None if value is None else made[id(value)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device=device)
    return policy


def faked(batch: MicroBatch, mode: FakeTensorMode) -> MicroBatch:
    """A micro-batch of fake tensors on the CPU."""
    rows = attention.Rows(tuple(map(mode.from_tensor, batch.rows.tables)), mode.from_tensor(batch.rows.back_N))
    tensors = {name: mode.from_tensor(value) for name, value in vars(batch).items() if isinstance(value, Tensor)}
    return MicroBatch(**{**vars(batch), **tensors, "rows": rows})


def count(plan: Plan, lora: Any = None, tokens: int = TOKENS) -> tuple[float, float]:
    """Peak of one micro-batch's forward and backward pass beside the policy, GiB; cells of rows a packed token."""
    autocast = plan.precision == "bf16-mixed"
    dtype = torch.float32 if plan.memory.step.precision.frozen == 4 or (autocast and lora is None) else torch.bfloat16
    with torch.device("meta"):
        policy = AutoModelForCausalLM.from_config(plan.config, dtype=dtype).train()
        policy = trainable(policy, lora, plan.gradient_checkpointing)
    if plan.precision == "bf16-true":
        policy.to(torch.bfloat16)  # adapters, too, as DeepSpeed does
    batch = micro_batch(tokens)
    with patch.object(attention, "scaled_dot_product_attention", flash_like), FakeTensorMode() as mode:
        policy = shapes_only(policy, "cpu")
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(lambda whole: setattr(whole, "grad", None))
        micro = faked(batch, mode)
        with Held([*policy.parameters(), *policy.buffers()]) as held:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                logp_BT, entropy_BT, _ = completion_logps(policy, micro, 1.0, plan.entropy_gradient)
                loss = (logp_BT * micro.weight_BT).sum()
                if plan.entropy_gradient:
                    loss = loss - (entropy_BT * micro.weight_BT).sum()
            del logp_BT, entropy_BT
            loss.backward()
    cells = sum(table.numel() for table in batch.rows.tables)
    return held.peak / GIB, cells / len(batch.token_N)


def planned(overrides: list[str]) -> tuple[Plan, Any]:
    """The plan of a composed run, and its adapters' settings."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["paths.run_dir=x", "paths.cache_dir=x", "paths.log_dir=.", *overrides])
    return plan_of(cfg), instantiate(cfg.lora) if cfg.lora else None


def compare(overrides: list[str]) -> tuple[float, float]:
    """The activations of a micro-batch as planned and as counted, GiB; both have the same rows."""
    plan, lora = planned(overrides)
    counted, rows = count(plan, lora)
    return replace(plan.memory.step, rows=rows).bytes / GIB, counted


def main() -> None:
    """Print the table."""
    found = {name: compare(overrides) for name, overrides in ROWS.items()}
    rows = [[name, f"{p:.2f}", f"{c:.2f}", f"{100 * (p / c - 1):+.1f} %"] for name, (p, c) in found.items()]
    title = f"Activations of {TOKENS:,} packed tokens, gradient checkpointing, GiB; torch {torch.__version__}"
    console.print(Grid(title, ["policy", "plan", "counted", "off"], rows).rich())


if __name__ == "__main__":
    main()
