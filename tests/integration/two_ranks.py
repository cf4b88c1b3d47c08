"""Starts trainings on several ranks of this machine, each a process of its own."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import forkserver
import torch
from omegaconf import DictConfig

SMALL = ["debug=quick", "model.steps=20", "data.train_size=64", "data.heldout_size=16"]
ENGINE = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"]
DDP = ["trainer.devices=2", "+trainer.strategy._target_=device_only.DeviceOnlyDDP"]  # as NCCL, it takes no CPU tensors
ZERO3 = ["trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]
ZERO2 = [override.replace("zero3", "zero2") for override in ZERO3]


@dataclass(frozen=True)
class Trained:
    """What is left of one training.

    Attributes:
        run_dir: Its folder.
        ranks: What each rank saw, step by step.
        weights: All of the policy's at the end, as rank 0 sees them.
    """

    run_dir: Path
    ranks: list[list[dict]]
    weights: torch.Tensor


def launch(
    quick: Callable[..., DictConfig], folder: Path, runs: Mapping[str, list[str]], ranks: int = 2
) -> dict[str, Trained]:
    """Train each of `runs`, by name, one after the other in the same processes."""
    folder.mkdir(exist_ok=True)
    commands, folders = {}, {}
    for name, overrides in runs.items():
        paths = quick().paths
        folders[name] = Path(paths.run_dir)
        places = [f"paths.{key}={paths[key]}" for key in ("cache_dir", "log_dir", "run_dir")]
        commands[name] = [*SMALL, *places, *overrides]
    (folder / "runs.json").write_text(json.dumps(commands))
    command = [sys.executable, str(Path(__file__).with_name("rank.py")), str(folder), str(folder / "runs.json")]
    forkserver.run_ranks(command, ranks, kind="vllm", timeout=500)
    return {
        name: Trained(
            folders[name],
            [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in range(ranks)],
            torch.load(folder / f"{name}-0.pt"),
        )
        for name in runs
    }
