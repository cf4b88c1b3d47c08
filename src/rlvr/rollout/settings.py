"""The settings with which the vLLM engine is built, by device and policy. This needs no vLLM."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import torch

from rlvr.files import make_folder
from rlvr.rollout.weights import base_of


def engine_dtype(wanted: str | None, device: torch.device, policy: torch.dtype) -> torch.dtype:
    """The type in which the engine computes: the wanted one; else bfloat16 on a GPU, whatever the trainer's type is,
    and the policy's type on a CPU."""
    if wanted:
        found: torch.dtype = getattr(torch, wanted)
        return found
    return torch.bfloat16 if device.type == "cuda" else policy


def gpu_gib(place: torch.device) -> float | None:
    """Memory of a GPU, GiB; None for a CPU."""
    return torch.cuda.get_device_properties(place).total_memory / 2**30 if place.type == "cuda" else None


def usual_cache_gib(gpu_gib: float | None) -> float:
    """Key-value cache of an engine beside a trainer, GiB: 0.3 of a GPU, or 1 on a CPU (None)."""
    return 1.0 if gpu_gib is None else 0.3 * gpu_gib


def alone_cache_gib(gpu_gib: float | None, weights_gib: float) -> float:
    """Key-value cache of an engine without a trainer, GiB: what its weights leave of 0.8 of a GPU, or 1 on a CPU."""
    return 1.0 if gpu_gib is None else max(0.8 * gpu_gib - weights_gib, 1.0)


def config_folder(policy: Any, cache_dir: Path) -> Path:
    """The folder with the config that vLLM builds from: the policy's architecture, with an untied output head.

    The same policy gets the same folder on every rank and in every run, because vLLM finds compiled code by its name.

    On CPU a tied head is copied into another layout once, when the engine is built. Later weights would not reach this
    copy, and the engine would go on with the head's first weights.
    """
    model = base_of(policy)
    config = copy.deepcopy(model.config)
    config.tie_word_embeddings = False
    config.architectures = [type(model).__name__]
    digest = hashlib.sha256(config.to_json_string().encode()).hexdigest()[:12]
    folder = cache_dir.absolute() / f"engine-{digest}"
    make_folder(folder, config.save_pretrained)
    return folder


def device_arguments(device: torch.device, context: int) -> dict[str, Any]:
    """VLLM settings that depend on where it runs; `context` in tokens."""
    if device.type == "cuda":
        # The cache's size is given explicitly, so this part only has to be free at the start, beside the trainer.
        return {"gpu_memory_utilization": 0.05, "sleep_mode_offload_cudagraph": True}
    return {
        "enforce_eager": True,  # compiling would need a C++ compiler
        # A prompt cut in pieces rewinds its request's random generator, which CPU generators cannot do.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(context, 4096),
    }
