"""From a checkpoint, of one process or of shards, to a folder that plain transformers loads."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from rlvr.checkpoint.store import MODEL, fault_of
from rlvr.checkpoint.weights import WEIGHTS, weights_of
from rlvr.errors import ConfigError
from rlvr.models import save_policy, trainable
from rlvr.rollout import base_of, whole

PREFIX = "policy."  # what the LightningModule calls the policy


def check_export(checkpoint: Path, output: Path) -> None:
    """Refuse before anything is read.

    Raises:
        ConfigError: When the checkpoint is not whole, or `output` is there already.
    """
    if fault := fault_of(checkpoint):
        raise ConfigError(f"checkpoint={checkpoint}: {fault}")
    if output.exists():
        raise ConfigError(f"output={output}: is there already; name another folder.")


def export(checkpoint: Path, output: Path, lora: Any | None, half: bool) -> None:
    """Write the policy of a checkpoint with its tokenizer.

    Args:
        checkpoint: A sealed checkpoint.
        output: The folder to be.
        lora: The adapters' `peft.LoraConfig`, which are merged; None where every parameter was trained.
        half: Whether the weights are to be in bf16.
    """
    config = AutoConfig.from_pretrained(checkpoint / MODEL)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if half else torch.float32)
    policy = trainable(model, lora, gradient_checkpointing=False)
    found = read_weights(checkpoint)  # those of a reference may be among them
    weights = {name.removeprefix(PREFIX): tensor for name, tensor in found.items() if name.startswith(PREFIX)}
    policy.load_state_dict(weights)
    if (checkpoint / MODEL / "generation_config.json").exists():
        base_of(policy).generation_config = GenerationConfig.from_pretrained(checkpoint / MODEL)
    save_policy(policy, AutoTokenizer.from_pretrained(checkpoint / MODEL), output, whole, write=True)


def read_weights(checkpoint: Path) -> dict[str, Tensor]:
    """By the LightningModule's names."""
    if (checkpoint / WEIGHTS).exists():
        return weights_of(checkpoint)
    from rlvr.strategy import whole_weights  # DeepSpeed is needed for its own shards only

    return whole_weights(checkpoint)
