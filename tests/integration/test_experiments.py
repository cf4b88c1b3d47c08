"""Every published setting, end to end for two rollouts with the tiny policy and its lengths cut."""

from pathlib import Path

import pytest
import torch
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


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_rollouts(quick, name: str):
    """The filter, loss, schedule, minibatches and memory savers are the experiment's own."""
    cfg = quick(f"experiment={name}", *SMALL)
    check(cfg)
    assert cfg.gradient_checkpointing
    run = build(cfg)
    before = torch.cat([p.detach().flatten().clone() for p in run.module.policy.parameters()])
    seen = watch(run)
    run.trainer.fit(run.module, datamodule=run.data)
    after = torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])
    assert run.trainer.global_step == 2 * cfg.batch.minibatches_per_rollout
    assert bool(torch.isfinite(after).all())
    assert not torch.equal(before, after) or seen.metrics[-1]["loss/trained_rollouts"] == 0
