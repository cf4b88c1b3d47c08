"""What the plan says of activations and logits against what a micro-batch takes."""

from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.policies import GIB, config_of, free, micro_batch, need_memory, policy_of
from benchmarks.gpu_check.results import Finding
from rlvr.plan import Plan
from rlvr.training.logprobs import completion_logps

PROMPT, COMPLETION = 128, 897  # a micro-batch's rows: four completions to a prompt
TOKENS = 16_384
# Measured over planned. Too little planned ends a run, too much only wastes; kernels' workspaces are not in the plan.
LEAST, MOST = 0.7, 1.15


def peak(device: torch.device, folder: Path) -> Finding:
    """Two shapes, weights in bf16 as under DeepSpeed and in fp32 as under mixed precision."""
    need_memory(20)
    numbers: dict[str, Any] = {"packed tokens": TOKENS}
    bad, ratios = [], []
    for shape in ("0.5B", "1.5B"):
        for half in (True, False):
            kind = f"{shape}, {'bf16' if half else 'fp32 mixed'}"
            planned = plan_of(shape, half)
            measured = _measured(shape, half, device)
            free()
            ratio = measured / planned
            ratios.append(f"{ratio:.2f}")
            numbers |= {f"planned, GiB: {kind}": planned, f"measured, GiB: {kind}": measured, f"ratio: {kind}": ratio}
            if not LEAST < ratio < MOST:
                bad.append(f"{kind}: {measured:.2f} GiB measured, {planned:.2f} planned")
    return Finding(not bad, "; ".join(bad) or f"measured over planned: {', '.join(ratios)}", numbers)


def plan_of(shape: str, half: bool) -> float:
    """GiB that the plan counts for activations and logits of one micro-batch."""
    plan = Plan(
        config=config_of(shape),
        problems_per_step=64,
        group_size=8,
        minibatches_per_rollout=1,
        micro_batch_tokens=TOKENS,
        max_steps=1,
        max_prompt_tokens=PROMPT,
        max_new_tokens=COMPLETION,
        ranks=1,
        zero_stage=0,
        offload_optimizer=False,
        lora_rank=None,
        gradient_checkpointing=True,
        half=half,
        context=4096,
        ranks_per_engine=0,
        kv_cache_gib=0.0,
        device_gib=None,
    )
    memory = plan.memory_gib()
    return memory["activations"] + memory["logits"]


def _measured(shape: str, half: bool, device: torch.device) -> float:
    """Peak of forward and backward above weights and gradients, which are there before."""
    policy: Any = policy_of(shape, device, torch.bfloat16 if half else torch.float32)
    policy.train().gradient_checkpointing_enable({"use_reentrant": False})
    completions = TOKENS // (PROMPT // 4 + COMPLETION - 1) // 4 * 4
    batch = micro_batch(policy, completions, PROMPT, COMPLETION).to(device)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=not half):
            logp_BT = completion_logps(policy, batch, 1.0).logp_BT
        (logp_BT.sum(dim=1) * batch.weight_B).sum().backward()

    step()  # kernels loaded, gradients there
    torch.cuda.synchronize()
    free()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / GIB
