"""Every experiment against the published settings, written out by hand from the papers and their released code.

Sources: SELF arXiv 2510.02230 (code), NSR arXiv 2506.01347 (code), BBG arXiv 2606.15455 (second-hand).
"""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from seen import watch

from rlvr.algo.advantages import Outcomes, group_normalised
from rlvr.build import build, plan_of, sampling_of
from rlvr.preflight.settings import check

CONFIGS = Path(__file__).parents[1] / "configs"
METHODS, MODELS = ("self", "grpo", "grpo_n", "nsr", "bbg"), ("qwen7b", "qwen1_5b", "llama3b", "qwen3_4b")

SELF = {
    "rollouts": 500,
    "trainer.max_steps": 1000,
    "batch.problems_per_step": 128,
    "batch.group_size": 8,
    "batch.minibatches_per_rollout": 2,  # of 64 problems
    "optimizer.lr": 1e-6,
    "optimizer.weight_decay": 0.01,
    "optimizer.betas": [0.9, 0.999],
    "warmup_steps": 0,
    "lr_schedule": "constant",
    "trainer.gradient_clip_val": 1.0,
    "trainer.devices": 4,
    "data.train.path": "agentica-org/DeepScaleR-Preview-Dataset",
    "data.max_prompt_tokens": 1024,
    "data.template.instruction": r"Let's think step by step and output the final answer within \boxed{}.",
    "data.template.system": None,
    "data.template.chat": True,
    "data.template.enable_thinking": False,
    "rollout.sampling.max_new_tokens": 3072,
    "rollout.sampling.temperature": 1.0,
    "rollout.sampling.top_p": 1.0,
    "eval.n": 256,
    "eval.temperature": 0.6,
    "eval.top_p": 0.95,
    "eval.max_new_tokens": None,  # as in training: 3,072
    "verifier.box": "last",
    "verifier.rewards.right": 1.0,
    "verifier.rewards.wrong": -0.5,
    "verifier.rewards.unformatted": -0.5,
    "algo.filter.refill": False,
    "algo.loss.surrogate.clip_low": 0.2,
    "algo.loss.surrogate.clip_high": 0.2,
    "algo.auxiliary.entropy_bonus.coefficient": None,
    "lora": {},
}
NSR = SELF | {
    "rollouts": 140,
    "trainer.max_steps": 560,
    "batch.problems_per_step": 1024,
    "batch.minibatches_per_rollout": 4,  # of 256 problems
    "trainer.devices": 8,
    "data.train.path": "DigitalLearningGmbH/MATH-lighteval",
    "data.train.split": "train",
    "data.heldout.path": "DigitalLearningGmbH/MATH-lighteval",
    "data.heldout.split": "test",
    "data.heldout.limit": None,  # all 5,000
    "data.template.instruction": r"Please reason step by step, and put your final answer within \boxed{}.",
    "data.template.system": "You are a helpful assistant.",
    "eval.max_new_tokens": 4096,
    "algo.auxiliary.entropy_bonus.coefficient": 1e-3,
    "verifier.rewards.wrong": 0.0,
    "verifier.rewards.unformatted": 0.0,
}
BBG = NSR | {
    "lr_schedule": "cosine",
    "verifier.box": "any",
    "algo.filter.refill": True,  # to a full batch
    "algo.auxiliary.entropy_bonus.coefficient": None,
    "algo.filter.k": 16,
    "algo.filter.tau": 0.01,
}
PUBLISHED = {"self": SELF, "grpo": SELF, "grpo_n": SELF, "nsr": NSR, "bbg": BBG}
PAIRS = {
    **{"self": "self+grpo", "grpo": "none+grpo", "grpo_n": "none+grpo_n", "bbg": "bbg+w_reinforce"},
    "nsr": "none+nsr+entropy_bonus",
}
NAMES = {
    "qwen7b": "Qwen/Qwen2.5-Math-7B",
    "qwen1_5b": "Qwen/Qwen2.5-Math-1.5B",
    "llama3b": "meta-llama/Llama-3.2-3B-Instruct",
    "qwen3_4b": "Qwen/Qwen3-4B",
}
ALONE = {"nsr_qwen3_4b": {"rollout.sampling.max_new_tokens": 31744}}


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", ["paths.run_dir=x", "paths.cache_dir=x", "paths.log_dir=.", *overrides])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", METHODS)
def test_every_experiment_is_what_was_published(method: str, model: str):
    """Each setting, and the plan that follows from them."""
    name = f"{method}_{model}"
    cfg = composed(f"experiment={name}")
    check(cfg)
    expected = PUBLISHED[method] | {"model.name": NAMES[model], "algo.pair": PAIRS[method]} | ALONE.get(name, {})
    assert {key: OmegaConf.select(cfg, key) for key in expected} == expected
    plan = plan_of(cfg)
    assert (plan.rollouts, plan.max_steps) == (expected["rollouts"], expected["trainer.max_steps"])
    assert f"{plan.rollouts} rollouts of " in str(plan)


@pytest.mark.parametrize(
    ("recipe", "missing"),
    [
        ("self_scripts", ["forward KL", "filtered part", "algo/correction", "denominator"]),
        ("nsr_scripts", ["entropy bonus of 1e-3", "KL loss of 1e-3", "algo/correction", "denominator"]),
    ],
)
def test_what_differs_stands_in_the_recipes_head(recipe: str, missing: list[str]):
    """So that nobody takes what is not there for published."""
    head = (CONFIGS / "experiment" / "recipe" / f"{recipe}.yaml").read_text().split("defaults:")[0]
    assert [words for words in missing if words not in head] == []


def test_evaluations_may_ask_for_more_than_the_context_and_rollouts_may_not():
    """NSR's 4,096 tokens are all of Qwen2.5-Math's context; Llama's and Qwen3's hold them behind any prompt."""
    plan = plan_of(composed("experiment=nsr_qwen7b"))
    assert (plan.eval_new_tokens, plan.context, plan.sequence_tokens) == (4096, 4096, 4096)
    assert ["in evaluations, cut at the context of 4,096", "4,096"] in plan.table().rows
    plan.check()
    assert not plan_of(composed("experiment=nsr_llama3b")).evaluations_are_cut
    assert not plan_of(composed("experiment=self_qwen7b")).evaluations_are_cut
    assert plan_of(composed("experiment=self_qwen7b")).eval_new_tokens == 3072


def test_lengths_follow_from_rollouts_and_a_number_of_steps_goes_first():
    """Whatever the minibatches; 9 steps of 4 a rollout are three rollouts, the last one cut."""
    assert composed("rollouts=7", "batch.minibatches_per_rollout=4").trainer.max_steps == 28
    assert composed("experiment=nsr_qwen7b", "rollouts=100").trainer.max_steps == 400
    assert composed("rollouts=1000000000000").trainer.max_steps == 10**12
    assert composed("debug=quick").trainer.max_steps == 3
    cfg = composed("experiment=nsr_qwen7b", "trainer.max_steps=9")
    check(cfg)
    assert (plan_of(cfg).max_steps, plan_of(cfg).rollouts) == (9, 3)


@pytest.mark.parametrize(
    ("overrides", "lr"),
    [
        (["lora=rank16"], 1e-4),
        (["experiment=self_qwen7b", "lora=rank16"], 1e-5),
        (["experiment=bbg_qwen7b", "lora=rank16"], 1e-5),
        (["experiment=self_qwen7b", "lora=rank16", "optimizer.lr=3e-5"], 3e-5),
        (["experiment=self_qwen7b"], 1e-6),
    ],
)
def test_adapters_have_a_rate_of_their_own(overrides: list[str], lr: float):
    """Ten times that of full fine-tuning, unless the user says another."""
    cfg = composed(*overrides)
    check(cfg)
    assert cfg.optimizer.lr == lr


def test_selfs_rewards_give_grpos_advantages_unchanged():
    """1 and -0.5 for the release, 1 and 0 elsewhere: normalised by the group, both are the same."""
    rewards = instantiate(composed("experiment=self_qwen7b").verifier.rewards)
    verdicts = [rewards.verdict("right"), rewards.verdict("wrong"), rewards.verdict("wrong", formatted=False)]
    reward_PG = torch.tensor([[verdict.reward for verdict in verdicts]])
    assert reward_PG.tolist() == [[1.0, -0.5, -0.5]]
    right_PG = reward_PG > 0
    plain = group_normalised(Outcomes(right_PG.float(), right_PG))
    torch.testing.assert_close(group_normalised(Outcomes(reward_PG, right_PG)), plain)


@pytest.mark.parametrize(
    "overrides", [["algo=dr_grpo"], ["algo=self", "algo/loss=dr_grpo", "rollout.sampling.max_new_tokens=12"]]
)
def test_dr_grpo_takes_its_length_from_the_rollout(quick, overrides: list[str]):
    """Also where that is the data set's longest answer; a sample's weight is 1 / (length x live sequences)."""
    cfg = quick(*overrides, "model.steps=700")
    run = build(cfg)
    limit = sampling_of(cfg, instantiate(cfg.data)).max_new_tokens
    weights: set[float] = set()
    assemble, seen = run.data._assemble, watch(run)

    def recorded(samples, version):
        batches = assemble(samples, version)
        live = len(seen.batches[-1].learned_from())
        weights.update(
            round(float(w) * live * 4 * limit, 4) for batch in batches for w in batch.weight_BT.flatten() if w
        )
        return batches

    run.data._assemble = recorded
    run.trainer.fit(run.module, datamodule=run.data)
    assert weights == {1.0}
