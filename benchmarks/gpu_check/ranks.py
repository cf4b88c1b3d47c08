"""Checks that two devices reach the same weights as one with the same samples."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_check.policies import policy_of
from benchmarks.gpu_check.results import Finding
from rlvr.rollout import named_weights

WEIGHTS, NORM = 1e-5, 1e-4  # largest difference of weights; of gradient norms, relative


def parity(device: torch.device, folder: Path) -> Finding:
    """Four clipped steps of gradient descent in fp32, on one device and on two."""
    ways = ["DDP", *(["ZeRO-2", "ZeRO-3"] if find_spec("deepspeed") else [])]
    alone, norm = _launched("one", 1, device, folder)[0]
    start = _start()
    numbers: dict[str, Any] = {"moved at most": float((alone - start).abs().max()), "last gradient's norm": norm}
    bad = [] if numbers["moved at most"] > 100 * WEIGHTS else ["the weights hardly moved: nothing could be compared"]
    for way in ways:
        ranks = _launched(way, 2, device, folder)
        apart = max(float((weights - alone).abs().max()) for weights, _ in ranks)
        off = max(abs(other / norm - 1) for _, other in ranks)
        numbers |= {f"{way}: weights apart": apart, f"{way}: gradient norm off": off}
        bad += [f"{way}: weights are {apart:.1e} apart"] * (not apart < WEIGHTS)
        bad += [f"{way}: the gradient's norm is off by {off:.1e}"] * (not off < NORM)
    return Finding(not bad, "; ".join(bad) or f"{', '.join(ways)} end where one device does", numbers)


def _start() -> Tensor:
    weights = named_weights(policy_of("tiny", torch.device("cpu")))
    return torch.cat([tensor.double().flatten() for _, tensor in weights])


def _launched(way: str, size: int, device: torch.device, folder: Path) -> list[tuple[Tensor, float]]:
    """Each rank's weights and its last gradient's norm.

    Raises:
        RuntimeError: When a rank fails.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    command = [*launcher, "-m", "benchmarks.gpu_check.rank", way, device.type, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if "Error" in line]
        raise RuntimeError(f"{way} on {size}: {lines[0] if lines else 'no message'}")
    found = []
    for rank in range(size):
        stem = f"{way}-{size}-{rank}"
        norm = json.loads((folder / f"{stem}.json").read_text())["norm"]
        found.append((torch.load(folder / f"{stem}.pt"), norm))
    return found
