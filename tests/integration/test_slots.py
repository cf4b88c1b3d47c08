"""What is composed beside filter and loss: whole trainings of seconds."""

import pytest
import torch

from rlvr.build import build
from rlvr.names import name_of


def trained(cfg) -> torch.Tensor:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    assert run.trainer.global_step == 3
    return torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["algo=unlikeliness"], "Unlikeliness"),
        (["algo=grpo_lambda"], "GRPO-lambda"),
        (["algo=high_entropy"], "80/20"),
        (
            ["algo=nsr", "algo/token_weight=mask_truncated", "rollout.sampling.max_new_tokens=8"],
            "none+nsr+mask_truncated",
        ),
        (["algo=maxrl", "algo/shaping=length_penalty"], "none+maxrl+length_penalty"),
        (
            [
                "algo=dapo",
                "algo/filter=none",
                "algo/shaping=overlong",
                "algo/token_weight=mask_truncated",
                "algo/auxiliary=entropy_bonus",
            ],
            "none+dapo+overlong+mask_truncated",
        ),
    ],
)
def test_every_slot_runs_and_has_a_name(quick, overrides: list[str], name: str):
    """Three steps that move something; without the slots it would be another training."""
    cfg = quick(*overrides, "model.steps=700")
    assert name_of(cfg) == name
    weights = trained(cfg)
    assert bool(torch.isfinite(weights).all())
    without = quick(*overrides, "algo/shaping=none", "algo/token_weight=none", "model.steps=700")
    assert not torch.equal(weights, trained(without))


def test_micro_batches_do_not_change_which_tokens_are_learned_from(quick):
    """One a step, and several."""
    few, many = (
        trained(quick("algo=high_entropy", "model.steps=700", f"batch.micro_batch_tokens={n}")) for n in (16384, 120)
    )
    torch.testing.assert_close(few, many, rtol=1e-4, atol=1e-6)
