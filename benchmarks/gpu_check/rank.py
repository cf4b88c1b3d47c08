"""Runs one rank of `ranks:parity`, started by torch's launcher: rank.py WAY DEVICE FOLDER."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.policies import Way, policy_of, samples, train
from rlvr.ranks import leave_group
from rlvr.rollout import named_weights, whole
from rlvr.scoring import MicroBatch, packed

STEPS, ROWS = 4, 8


def batches(rank: int, size: int) -> list[MicroBatch]:
    """This rank's part of every step. All ranks' parts together are the same samples for any number of ranks."""
    steps = (samples(256, ROWS, 8, 24, group=2, seed=step) for step in range(STEPS))
    return [packed(rows[rank::size], version=0) for rows in steps]


def main() -> None:
    """Train and write this rank's weights and its last gradient's norm."""
    name, device, folder = sys.argv[1], torch.device(sys.argv[2]), Path(sys.argv[3])
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    # Plain gradient descent, clipped: Adam would blow up rounding where a gradient is nearly 0.
    way = Way("32-true", _strategy(name), optimizer="SGD", lr=0.02)
    stem = folder / f"{name}-{size}-{rank}"

    def write(trainer: Any, module: Any) -> None:
        gathered = getattr(trainer.strategy, "gathered", whole)
        weights = [tensor.double().cpu().flatten() for _, tensor in named_weights(module.policy, gathered)]
        torch.save(torch.cat(weights), stem.with_suffix(".pt"))
        stem.with_suffix(".json").write_text(json.dumps({"norm": float(module.grad_norm)}))

    train(policy_of("tiny", torch.device("cpu")), batches(rank, size), device, way, devices=size, at_end=write)
    leave_group()


def _strategy(name: str) -> Any:
    if not name.startswith("ZeRO"):
        return "auto" if name == "one" else "ddp"
    from rlvr.strategy import ShardedStrategy

    strategy = ShardedStrategy(stage=int(name[-1]))
    assert isinstance(strategy.config, dict)
    # DeepSpeed would release no parameter as small as these otherwise.
    strategy.config["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    return strategy


if __name__ == "__main__":
    main()
