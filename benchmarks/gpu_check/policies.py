"""Makes what the checks work on: policies with random weights of given shapes, and random completions."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from benchmarks.gpu_check.results import SkipError
from rlvr.algo import Objective
from rlvr.algo.surrogates import ppo_clip
from rlvr.scoring import MicroBatch, packed
from rlvr.step import TrainingSample
from rlvr.training import PolicyModule
from rlvr.types import Completion, Problem

GIB = 2**30
QWEN = {"vocab_size": 151_936, "max_position_embeddings": 4096, "tie_word_embeddings": True, "num_key_value_heads": 2}
SHAPES: dict[str, dict[str, Any]] = {
    # Qwen2.5-0.5B and 1.5B.
    "0.5B": QWEN | {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14, "intermediate_size": 4864},
    "1.5B": QWEN | {"hidden_size": 1536, "num_hidden_layers": 28, "num_attention_heads": 12, "intermediate_size": 8960},
    # For CPUs: grouped heads of 32, and weights wide enough for distributions that are not flat.
    "tiny": QWEN
    | {"vocab_size": 256, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"intermediate_size": 384, "max_position_embeddings": 512, "initializer_range": 0.1},
}


def shape_for(device: torch.device) -> str:
    """The smaller of the real shapes on a GPU, a tiny one on a CPU."""
    return "0.5B" if device.type == "cuda" else "tiny"


def config_of(shape: str) -> PretrainedConfig:
    """Qwen2's config, with token 0 as the end of a sequence."""
    return AutoConfig.for_model("qwen2", bos_token_id=None, eos_token_id=0, pad_token_id=0, **SHAPES[shape])


def policy_of(shape: str, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0) -> PreTrainedModel:
    """A policy with random weights, the same for the same seed on the same device, rounded from fp32."""
    torch.manual_seed(seed)
    with device:
        policy = AutoModelForCausalLM.from_config(config_of(shape), dtype=torch.float32)
    return policy if dtype == torch.float32 else cast(policy, dtype)


def cast(policy: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """Cast parameters only: RoPE's frequencies stay in fp32, as they do when a checkpoint is read in bf16."""
    for parameter in policy.parameters():
        parameter.data = parameter.data.to(dtype)
    policy.config.dtype = dtype
    return policy


def free() -> None:
    """Give what nothing refers to any more back to the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def need_memory(gib: float) -> None:
    """SkipError a check for which this GPU is too small, or too full.

    Raises:
        SkipError: With both numbers.
    """
    free = torch.cuda.mem_get_info()[0] / GIB
    if free < gib:
        raise SkipError(f"it takes about {gib:.0f} GiB of GPU memory and {free:.0f} are free")


def samples(
    vocabulary: int, rows: int, prompt: int, completion: int, group: int = 4, seed: int = 0
) -> list[TrainingSample]:
    """`rows` completions of random tokens, `group` to a prompt, advantages of both signs, weights that sum to 1."""
    draw = torch.Generator().manual_seed(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(1, vocabulary, (count,), generator=draw).tolist())

    problems = [Problem(str(index), "", tokens(prompt), "") for index in range(-(-rows // group))]
    return [
        TrainingSample(
            problems[row // group],
            Completion(tokens(completion), (-1.0,) * completion, "", "length"),
            advantage=1.0 if row % 2 else -1.0,
            weight=1 / (rows * completion),
        )
        for row in range(rows)
    ]


def micro_batch(policy: Any, rows: int, prompt: int, completion: int, seed: int = 0, group: int = 4) -> MicroBatch:
    """Packed samples, on the CPU."""
    return packed(samples(policy.config.vocab_size, rows, prompt, completion, group, seed), version=0)


@dataclass(frozen=True)
class Way:
    """How a policy is trained.

    Attributes:
        precision: Lightning's name of it.
        strategy: Lightning's name of it, or a strategy.
        optimizer: An optimizer of torch.
        lr: Learning rate, which is constant.
    """

    precision: Any
    strategy: Any = "auto"
    optimizer: str = "AdamW"
    lr: float = 1e-6


def train(
    policy: Any,
    batches: list[MicroBatch],
    device: torch.device,
    way: Way,
    devices: int = 1,
    at_end: Callable[[Any, Any], None] | None = None,
) -> None:
    """One optimizer step a micro-batch through Lightning and our module, as a run takes them.

    Args:
        policy: The policy. It moves to the device, and back to the CPU at the end.
        batches: This rank's micro-batches.
        device: The kind of device.
        way: How the policy is trained.
        devices: Number of ranks.
        at_end: Called with trainer and module after the last step, while everything is still on the device.
    """
    module = PolicyModule(
        policy=policy,
        objective=Objective(partial(ppo_clip, clip_low=0.2, clip_high=0.2)),
        optimizer=partial(getattr(torch.optim, way.optimizer), lr=way.lr, weight_decay=0.0, fused=True),
        warmup_steps=0,
        lr_schedule="constant",
        temperature=1.0,
        minibatches_per_rollout=len(batches),
    )
    trainer = lightning.Trainer(
        accelerator=device.type,
        devices=devices,
        precision=way.precision,
        strategy=way.strategy,
        max_steps=len(batches),
        gradient_clip_val=1.0,
        callbacks=[LambdaCallback(on_train_end=at_end)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
