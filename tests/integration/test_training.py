"""Whole trainings of seconds: every pair of filter and loss, determinism, accumulation, refill, resume."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import DictConfig
from seen import watch

from rlvr.build import Run, build
from rlvr.checkpoint import CheckpointStore
from rlvr.eval import RunRecord
from rlvr.rollout import Host
from rlvr.rollout.hf import HFEngine
from rlvr.step import sample_groups

ALGO = Path(__file__).parents[2] / "configs" / "algo"
FILTERS, LOSSES = (sorted(path.stem for path in (ALGO / part).glob("*.yaml")) for part in ("filter", "loss"))
# Every filter and every loss once; all pairs of choices, of any two slots, meet in tests/training/test_pairs.py.
REPRESENTATIVES = {
    *{("none", "grpo"), ("self", "nsr"), ("bbg", "w_reinforce"), ("zero_success", "grpo_n"), ("mask_easy", "psr")},
    *{("dynamic", "dapo"), ("none", "dr_grpo"), ("self", "gspo"), ("bbg", "gspo_n")},
    *{("none", "rloo"), ("self", "reinforce_pp"), ("dynamic", "lite_ppo"), ("none", "passk"), ("bbg", "pkpo")},
    *{("mask_easy", "maxrl"), ("zero_success", "ngrpo"), ("none", "asym_re"), ("dynamic", "diff_smooth")},
    *{("none", "cispo"), ("self", "topr"), ("bbg", "aspo"), ("rate_weight", "gmpo"), ("none", "nft")},
    *{("dynamic", "unclipped"), ("dynamic", "clip_cov"), ("none", "lp_reg"), ("self", "centred")},
    *{("retire_solved", "grpo"), ("bbg_posterior", "w_reinforce")},
}


def fit(cfg: DictConfig, ckpt_path: str | None = None) -> Run:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data, ckpt_path=ckpt_path, weights_only=True)
    return run


def weights(run: Run) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])


def rollouts(cfg: DictConfig) -> list[dict]:
    table = pq.read_table(Path(cfg.paths.run_dir) / "samples.parquet")
    return table.to_pylist()


def test_the_representatives_are_every_filter_and_loss():
    """A new one gets a pair."""
    assert [sorted(set(part)) for part in zip(*REPRESENTATIVES, strict=True)] == [FILTERS, LOSSES]


@pytest.mark.parametrize(("filter_", "loss"), sorted(REPRESENTATIVES))
def test_every_filter_and_loss_runs(quick, filter_: str, loss: str):
    """Three steps; the weights stay finite, and what the loss masks carries no advantage."""
    cfg = quick(f"algo/filter={filter_}", f"algo/loss={loss}", "model.steps=150")
    run = fit(cfg)
    assert run.trainer.global_step == 3
    assert bool(torch.isfinite(weights(run)).all())
    rows = rollouts(cfg)
    assert {row["version"] for row in rows} == {0, 1, 2}
    for row in rows:
        if row["weight"] == 0 or (loss == "nsr" and row["status"] == "right"):
            assert row["advantage"] == 0
        if loss in ("grpo_n", "gspo_n", "nsr"):
            assert row["advantage"] <= 0
        if loss == "psr":
            assert row["advantage"] >= 0


def test_the_same_seed_gives_the_same_numbers(quick):
    """Weights to the bit, texts and evaluation; another seed differs."""
    cfgs = [quick("algo=nsr"), quick("algo=nsr"), quick("algo=nsr", "seed=1")]
    runs = [fit(cfg) for cfg in cfgs]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))
    assert rollouts(cfgs[0]) == rollouts(cfgs[1]) != rollouts(cfgs[2])
    records = [(Path(cfg.paths.run_dir) / "pass_at_k.json").read_text() for cfg in cfgs]
    assert records[0] == records[1]


def test_accumulation_of_four_equals_one(quick):
    """The loss is divided once by the step's count, so cutting the batch up changes only rounding.

    One step of plain gradient descent: the weights' change is the gradient.
    """
    sgd = ["algo=nsr", "trainer.max_steps=1", "~optimizer", "+optimizer._target_=torch.optim.SGD"]
    sgd += ["+optimizer._partial_=true", "+optimizer.lr=1.0", "warmup_steps=0", "trainer.gradient_clip_val=null"]
    whole, parts = (fit(quick(*sgd, f"batch.micro_batch_tokens={tokens}")) for tokens in (4096, 120))
    assert (whole.trainer.accumulate_grad_batches, parts.trainer.accumulate_grad_batches) == (1, 4)
    assert (weights(whole) - weights(parts)).abs().max() < 1e-5


def test_two_minibatches_per_rollout_move_the_ratio(quick):
    """The second step of a rollout is off-policy by one update, and its ratio is measured, not assumed."""
    cfg = quick("algo=nsr", "batch.minibatches_per_rollout=2", "trainer.max_steps=4", "optimizer.lr=3e-3")
    run = fit(cfg)
    assert run.trainer.global_step == 4
    assert {row["version"] for row in rollouts(cfg)} == {0, 2}


def test_self_refills_the_batch_with_unsolved_problems(quick):
    """On a base that solves some problems greedily, the batch is full again and holds none of the solved."""
    cfg = quick("algo=self", "trainer.max_steps=1", "model.steps=700")
    run = build(cfg)
    seen = watch(run)
    run.trainer.fit(run.module, datamodule=run.data)
    (batch,) = seen.batches
    assert batch.drawn > cfg.batch.problems_per_step == len(batch.groups)
    base = build(cfg).module.policy
    engine = HFEngine(Host(base, run.tokenizer, lambda: iter(()), base.device), max_tokens=20000)
    engine.sync(0)
    context, problems = run.data.context, [group.problem for group in batch.groups]
    greedy = replace(context.sampling, temperature=0.0)
    assert not any(group.successes for group in sample_groups(engine, context.verifier, problems, 1, greedy, 0, 0))


@pytest.mark.parametrize("parts", [[], ["batch.micro_batch_tokens=120"], ["batch.minibatches_per_rollout=2"]])
@pytest.mark.parametrize("algo", ["self", "nsr", pytest.param("siren", marks=pytest.mark.full)])
def test_a_resumed_run_ends_like_an_uninterrupted_one(quick, algo: str, parts: list[str]):
    """Gone on with in another folder: the same weights to the bit, the same evaluations, in however many micro-batches
    and minibatches."""
    every = [f"algo={algo}", "callbacks.checkpoint.every_n_rollouts=1", *parts]
    uninterrupted = quick(*every, "trainer.max_steps=4")
    whole = fit(uninterrupted)
    second = quick(*every, "trainer.max_steps=4")
    newest, _ = CheckpointStore(Path(uninterrupted.paths.run_dir) / "checkpoints").newest()
    resumed = fit(second, str(newest))
    assert torch.equal(weights(resumed), weights(whole))
    records = [RunRecord.read(Path(cfg.paths.run_dir)) for cfg in (uninterrupted, second)]
    for split in ("heldout", "train"):
        assert records[0].splits[split].base == records[1].splits[split].base
        assert records[0].splits[split].trained == records[1].splits[split].trained
