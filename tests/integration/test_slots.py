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
        (["algo=sar"], "SAR"),
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
            "none+dapo+overlong+mask_truncated+entropy_bonus",
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


TERMS = {
    "siren": ["algo/auxiliary=none", "algo.auxiliary.siren.coefficient=1"],
    "lp_reg": ["algo/auxiliary=none"],
    "kl_cov": ["algo/auxiliary=none", "batch.minibatches_per_rollout=3", "trainer.max_steps=3"],
    "clip_cov": ["algo/token_weight=none", "algo.token_weight.low=0", "algo.token_weight.share=0.3"],
}


# Plain gradient descent: Adam would blow up rounding where a gradient is nearly 0, by how much depends on the CPU.
SGD = [
    *("~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.1"),
    "warmup_steps=0",
]


def composed(quick, name: str, *more: str):
    """The method with its term, and without."""
    without, *settings = TERMS[name]
    every = ["algo/filter=none", "model.steps=700", *SGD, *more]
    common = [setting for setting in settings if not setting.startswith("algo.")]
    return quick(f"algo={name}", *every, *settings), quick(f"algo={name}", *every, *common, without)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_of_few_tokens_moves_the_policy_whatever_the_micro_batches(quick, name: str):
    """Three steps end elsewhere than without it, and at the same place in one micro-batch and in many."""
    few, many = (composed(quick, name, f"batch.micro_batch_tokens={n}")[0] for n in (16384, 120))
    weights = trained(few)
    assert bool(torch.isfinite(weights).all())
    torch.testing.assert_close(weights, trained(many), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights, trained(composed(quick, name)[1]), rtol=1e-4, atol=1e-5)


def test_kl_cov_trains_nothing_in_the_first_step_on_a_rollout(quick):
    """With one minibatch that is every step: the same weights to the bit as without."""
    cfg = quick("algo=kl_cov", "algo/filter=none", "model.steps=700")
    without = quick("algo=kl_cov", "algo/filter=none", "algo/auxiliary=none", "model.steps=700")
    torch.testing.assert_close(trained(cfg), trained(without), rtol=1e-6, atol=1e-7)


def test_micro_batches_do_not_change_which_tokens_are_learned_from(quick):
    """One a step, and several."""
    few, many = (
        trained(quick("algo=high_entropy", "model.steps=700", f"batch.micro_batch_tokens={n}")) for n in (16384, 120)
    )
    torch.testing.assert_close(few, many, rtol=1e-4, atol=1e-6)
