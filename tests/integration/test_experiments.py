"""Every published setting, end to end for two rollouts with the tiny policy and its lengths cut."""

import json
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


def what_is_run(cfg: DictConfig) -> str:
    """All that a run depends on, but for the folder that it writes to."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    return json.dumps({**plain, "paths": None}, sort_keys=True).replace(str(cfg.paths.run_dir), "")


@pytest.fixture(scope="module")
def fitted() -> set[str]:
    """What has been run in this module."""
    return set()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_rollouts(quick, fitted: set[str], name: str):
    """The filter, loss, schedule, minibatches and memory savers are the experiment's own.

    With the same small policy several of them are one and the same run, which is made once.
    """
    cfg = quick(f"experiment={name}", *SMALL)
    check(cfg)
    assert cfg.gradient_checkpointing
    if what_is_run(cfg) in fitted:
        return
    run = build(cfg)
    before = torch.cat([p.detach().flatten().clone() for p in run.module.policy.parameters()])
    seen = watch(run)
    run.trainer.fit(run.module, datamodule=run.data)
    after = torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])
    assert run.trainer.global_step == 2 * cfg.batch.minibatches_per_rollout
    assert bool(torch.isfinite(after).all())
    assert not torch.equal(before, after) or seen.metrics[-1]["loss/trained_rollouts"] == 0
    fitted.add(what_is_run(cfg))
