"""Trains a policy on the same micro-batches whatever the strategy and precision, and says what became of the weights.

Not a test itself: `test_weights_move.py` calls it, and starts it under torch's launcher where there are several ranks.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.algo import Objective
from rlvr.algo.surrogates import ppo_clip
from rlvr.models import trainable
from rlvr.ranks import leave_group
from rlvr.scoring import MicroBatch, packed
from rlvr.step import TrainingSample
from rlvr.training import PolicyModule
from rlvr.training.precision import trained_dtype
from rlvr.types import Completion, Problem

STEPS, LR = 5, 1e-6
SIZE = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96)


def policy(dtype: torch.dtype, adapters: bool) -> Any:
    """Random weights of the size of a language model's, the same for every type."""
    torch.manual_seed(0)
    config = AutoConfig.for_model("qwen2", vocab_size=32, max_position_embeddings=128, initializer_range=0.02, **SIZE)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16).to(dtype)  # a checkpoint's numbers; buffers stay as they are
    if not adapters:
        return model
    from peft import LoraConfig

    return trainable(model, LoraConfig(r=4, target_modules="all-linear"), gradient_checkpointing=False)


def batches(world_size: int) -> list[MicroBatch]:
    """One a step: eight completions whose advantages differ, all with weight."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for step in range(STEPS):
        tokens = torch.randint(32, (8, 24), generator=generator).tolist()
        samples = [
            TrainingSample(
                Problem(str(row), "", tuple(ids[:8]), ""),
                Completion(tuple(ids[8:]), (-3.0,) * 16, "", "stop"),
                1.0 if row % 2 else -0.5,
                1 / (8 * 16 * world_size),
            )
            for row, ids in enumerate(tokens)
        ]
        made.append(packed(samples, step))
    return made


def train(strategy: Any, precision: str, adapters: bool, world_size: int = 1) -> dict[str, Any]:
    """Five steps of AdamW: the fp32 numbers before and after, types of buffers, what the last step's metric says."""
    sharded = strategy != "auto"
    module = PolicyModule(
        policy=policy(trained_dtype(precision, adapters), adapters),
        objective=Objective(partial(ppo_clip, clip_low=0.2, clip_high=0.2)),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=LR, weight_decay=0.0),
        warmup_steps=0,
        lr_schedule="constant",
        temperature=1.0,
        minibatches_per_rollout=1,
    )
    seen: dict[str, Any] = {}

    class Witness(lightning.Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            seen["before"] = numbers(pl_module.policy, sharded)
            seen["buffers"] = {name: buffer.dtype for name, buffer in pl_module.named_buffers()}

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
            seen["update_share"] = pl_module.take_metrics()["train/update_share"]

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            seen["after"] = numbers(pl_module.policy, sharded)

    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=world_size,
        strategy=strategy,
        precision=precision,
        max_steps=STEPS,
        callbacks=[Witness()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, DataLoader(batches(world_size), batch_size=None, shuffle=False))
    return seen


def numbers(model: Any, sharded: bool) -> dict[str, torch.Tensor]:
    """What the optimizer adds to, in fp32, whole."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not sharded:
        return {name: parameter.detach().float().clone() for name, parameter in trained.items()}
    from deepspeed.utils import safe_get_full_fp32_param

    return {name: safe_get_full_fp32_param(parameter).clone() for name, parameter in trained.items()}


def main() -> None:
    """One rank of two, under DeepSpeed."""
    from rlvr.strategy import ShardedStrategy

    out, stage, offload = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "offload"
    strategy = ShardedStrategy(stage=stage, offload_optimizer=offload)
    strategy.config["zero_optimization"]["stage3_param_persistence_threshold"] = 0  # shard even what is small
    seen = train(strategy, "bf16-true", adapters=False, world_size=2)
    if strategy.global_rank == 0:
        torch.save(seen, out)
    leave_group()


if __name__ == "__main__":
    main()
