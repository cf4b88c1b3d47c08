"""One rank of some test runs, one after the other: trains by the overrides it is given, and writes what it saw.

Not a test itself: `two_ranks.py` starts it, once a rank, under torch's launcher. Runs of one kind of strategy share a
process, since its start takes longer than they do.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rlvr.build import build
from rlvr.callbacks import Listener
from rlvr.ranks import leave_group
from rlvr.rollout import named_weights
from rlvr.step import RolloutBatch
from rlvr.strategy import sharding_of

CONFIGS = Path(__file__).parents[2] / "configs"


class Witness(Listener):
    """Notes which problems this rank sampled and what its weights were after every step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        self.weights = torch.empty(0)
        self.rollout: tuple[RolloutBatch, dict[str, float]]

    def on_rollout(self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Any) -> dict[str, float]:
        self.rollout = batch, dict(metrics)
        return {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, micro_batch: Any, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        batch, metrics = self.rollout
        whole = named_weights(pl_module.policy, sharding_of(trainer.strategy).gathered)
        weights = self.weights = torch.cat([tensor.double().flatten() for _, tensor in whole])
        self.steps.append(
            {
                "version": batch.version,
                "problems": [group.problem.id for group in batch.groups],
                "texts": [one.text for group in batch.groups for one in group.completions],
                "weights": [float(weights.sum()), float(weights.square().sum())],
                "micro_batches": trainer.accumulate_grad_batches,
                "grad_norm": pl_module.grad_norm,
                "mismatch": metrics.get("mismatch/max"),
                "metrics": {name: value for name, value in metrics.items() if not name.startswith("mismatch/")},
            }
        )


def train(overrides: list[str]) -> Witness:
    """Compose, train, and see."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", overrides)
    OmegaConf.resolve(cfg)
    run = build(cfg)
    if getattr(run.trainer.strategy, "zero_stage_3", False):
        # DeepSpeed leaves small parameters whole, and all of a tiny policy's are small.
        run.trainer.strategy.config["zero_optimization"]["stage3_param_persistence_threshold"] = 0
    witness = Witness()
    run.trainer.callbacks.append(witness)
    run.data.listeners.append(witness)
    run.trainer.fit(run.module, datamodule=run.data)
    return witness


def main() -> None:
    """Every run of the file that is given, by its name."""
    out, runs = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    for name, overrides in runs.items():
        witness = train(overrides)
        (out / f"{name}-{os.environ['RANK']}.json").write_text(json.dumps(witness.steps))
        torch.save(witness.weights, out / f"{name}-{os.environ['RANK']}.pt")
    leave_group()


if __name__ == "__main__":
    main()
