"""Every published setting, end to end for two rollouts with the tiny policy and its lengths cut."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from seen import watch

from rlvr.build import build
from rlvr.preflight.settings import check

EXPERIMENTS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs" / "experiment").glob("*.yaml"))
SMALL = [
    *(
        "model=tiny",
        "model.steps=700",  # a base that solves something, the same as in test_parity.py
        "data=countdown",
        "data.train_size=64",
        "data.heldout_size=16",
        "rollout=hf",
        "trainer=cpu",
        "trainer.devices=1",
        "rollouts=2",
    ),
    *("batch.micro_batch_tokens=512", "rollout.sampling.max_new_tokens=10", "eval.every_n_steps=100"),
]


def test_the_grid_is_whole():
    """Five methods on four models, each a file of fewer than 20 lines."""
    methods, models = ["grpo", "self", "bbg", "nsr", "grpo_n"], ["qwen7b", "qwen1_5b", "llama3b", "qwen3_4b"]
    assert sorted(f"{method}_{model}" for method in methods for model in models) == EXPERIMENTS
    folder = Path(__file__).parents[2] / "configs" / "experiment"
    assert max(len((folder / f"{name}.yaml").read_text().splitlines()) for name in EXPERIMENTS) < 20


@dataclass(frozen=True)
class Fitted:
    """What a run of two rollouts has done.

    Attributes:
        steps: Optimizer steps.
        finite: Whether all weights are.
        moved: Whether any weight is another than before.
        trained_rollouts: In the last step.
    """

    steps: int
    finite: bool
    moved: bool
    trained_rollouts: float


def fit(cfg: DictConfig) -> Fitted:
    run = build(cfg)
    before = torch.cat([p.detach().flatten().clone() for p in run.module.policy.parameters()])
    seen = watch(run)
    run.trainer.fit(run.module, datamodule=run.data)
    after = torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])
    return Fitted(
        run.trainer.global_step,
        bool(torch.isfinite(after).all()),
        not torch.equal(before, after),
        seen.metrics[-1]["loss/trained_rollouts"],
    )


@pytest.fixture(scope="module")
def fitted() -> dict[str, Fitted]:
    """Runs by their settings: one method's experiments differ by the model only, which is the same tiny one here."""
    return {}


def settings_of(cfg: DictConfig) -> str:
    """All of a run's settings but its folders."""
    return OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, [key for key in cfg if key != "paths"]))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_rollouts(quick, fitted: dict[str, Fitted], name: str):
    """The filter, loss, schedule, minibatches and memory savers are the experiment's own."""
    cfg = quick(f"experiment={name}", *SMALL)
    check(cfg)
    assert cfg.gradient_checkpointing
    settings = settings_of(cfg)
    if settings not in fitted:
        fitted[settings] = fit(cfg)
    found = fitted[settings]
    assert found.steps == 2 * cfg.batch.minibatches_per_rollout
    assert found.finite
    assert found.moved or found.trained_rollouts == 0
