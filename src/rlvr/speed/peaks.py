"""The peak of a device: the vendor's number where it is listed, or else measured by a matrix product."""

import math
import time
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Listed:
    """A GPU by its data sheet.

    Attributes:
        bf16: Dense peak of its tensor cores in bfloat16, summed in fp32, TFLOP/s.
        fp32: Peak in fp32 without TF32, which this project leaves off, TFLOP/s.
        memory: Bandwidth of its memory, TB/s.
    """

    bf16: float
    fp32: float
    memory: float


# The key is a part of the name that torch gives; the longest match counts. Source: NVIDIA's data sheets, and for
# GeForce the white papers of its architectures; without sparsity. Lightning's own table (2.6.6) does not know an H200
# by that name and takes an L40S for an L4.
LISTED = {
    "H200": Listed(989.0, 67.0, 4.8),
    "H200 NVL": Listed(835.0, 60.0, 4.8),
    "H100": Listed(989.0, 67.0, 3.35),
    "H100 PCIe": Listed(756.0, 51.0, 2.0),
    "H100 NVL": Listed(835.0, 60.0, 3.9),
    "H800": Listed(989.0, 67.0, 3.35),
    "GH200": Listed(989.0, 67.0, 4.0),
    "B200": Listed(2250.0, 75.0, 8.0),
    "A100": Listed(312.0, 19.5, 1.555),
    "A100-SXM4-80GB": Listed(312.0, 19.5, 2.039),
    "A100 80GB": Listed(312.0, 19.5, 1.935),
    "A800": Listed(312.0, 19.5, 1.935),
    "A30": Listed(165.0, 10.3, 0.933),
    "A40": Listed(149.7, 37.4, 0.696),
    "A10": Listed(125.0, 31.2, 0.6),
    "A10G": Listed(70.0, 35.0, 0.6),
    "L40S": Listed(362.0, 91.6, 0.864),
    "L40": Listed(181.0, 90.5, 0.864),
    "L4": Listed(121.0, 30.3, 0.3),
    "RTX 6000 Ada": Listed(364.0, 91.1, 0.96),
    "RTX A6000": Listed(154.8, 38.7, 0.768),
    "RTX 5090": Listed(209.5, 104.8, 1.792),
    "RTX 4090": Listed(165.2, 82.6, 1.008),
    "RTX 3090": Listed(71.0, 35.6, 0.936),
}
ENOUGH_S, ENOUGH = 0.2, 3  # seconds and products that a measurement takes at least


@dataclass(frozen=True)
class Peak:
    """The most that a device does.

    Attributes:
        flops: Operations a second.
        said_by: Where the number is from, in words.
        bandwidth: Bytes a second from its memory; None: not known.
    """

    flops: float
    said_by: str
    bandwidth: float | None = None


def listed(name: str) -> Listed | None:
    """The GPU of this name, as torch gives it; None where it is not in the table."""
    fitting = [part for part in LISTED if part in name]
    return LISTED[max(fitting, key=len)] if fitting else None


def listed_peak(name: str, dtype: torch.dtype) -> Peak | None:
    """Peak of the GPU of this name; None where it is not in the table, or not for this type."""
    gpu = listed(name)
    rates = {torch.bfloat16: gpu.bf16, torch.float32: gpu.fp32} if gpu else {}
    if gpu is None or dtype not in rates:
        return None
    return Peak(1e12 * rates[dtype], f"listed for {name}", 1e12 * gpu.memory)


def peak_of(device: torch.device, dtype: torch.dtype) -> Peak:
    """Peak of a device of this machine: the listed one, or else measured once in a process."""
    found = listed_peak(torch.cuda.get_device_name(device), dtype) if device.type == "cuda" else None
    return found or Peak(measured_flops(device, dtype), "a matrix product, timed here")


@cache
def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the best of some square matrix products; takes a fifth of a second or three products."""
    # More threads need more work: rows and columns grow with the root of their number.
    size = 512 * (math.isqrt(torch.get_num_threads() - 1) + 1) if device.type == "cpu" else 4096
    # No random generator is used, since its state belongs to the run.
    matrix = (torch.arange(size * size, device=device) % 251 / 251).reshape(size, size).to(dtype)
    start, best, done = time.perf_counter(), math.inf, 0
    while done < ENOUGH or time.perf_counter() - start < ENOUGH_S:
        best, done = min(best, _seconds(matrix)), done + 1
    return 2.0 * size**3 / best


def _seconds(matrix: Tensor) -> float:
    start = time.perf_counter()
    matrix @ matrix
    if not (matrix.is_cpu or matrix.is_meta):
        torch.accelerator.synchronize()
    return max(time.perf_counter() - start, 1e-9)


def compute_dtype(precision: str) -> torch.dtype:
    """Type of the matrix products under Lightning's `trainer.precision`."""
    return torch.bfloat16 if "bf16" in precision else torch.float32
