"""The time plan: by hand, what changes it, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from rlvr.build import plan_of, time_plan_of
from rlvr.preflight.duration import TimePlan, in_words
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import Peak

CONFIGS = Path(__file__).parents[2] / "configs"
PATHS = ["paths.run_dir=x", "paths.log_dir=."]
LORA = ([], ["lora=rank16"])


def times(*overrides: str) -> TimePlan:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["paths.cache_dir=x", *PATHS, *overrides])
    return time_plan_of(cfg, plan_of(cfg))


def test_a_run_on_gpus_by_hand():
    """Qwen2.5-Math-7B on 4 ranks: 500 rollouts of 128 x 8, prompts of 256 tokens and completions of 1,536; a greedy
    answer to each problem first, and as the released code has it no further draws."""
    found = times("experiment=self_qwen7b")
    size = PolicySize.of(found.plan.config)
    assert size.layers == pytest.approx(6.53e9, rel=0.001)  # 7.6 billion less embedding and head
    group, peak = Passed.of(256, [1536] * 8), 4 * 989e12
    forward = 500 * 128 * size.forward(group)
    assert found.plan.gradient_checkpointing
    sampled = forward + 500 * 128 * size.forward(Passed.of(256, [1536]))
    seconds = {name: phase.seconds for name, phase in found.phases.items()}
    assert seconds["rollouts"] == pytest.approx(sampled / peak / 0.10)
    assert seconds["forward passes"] == seconds["scoring"] == pytest.approx(forward / peak / 0.35)
    assert seconds["backward passes"] == pytest.approx(3 * forward / peak / 0.35)
    whole = 650 * size.forward(Passed.of(256, [1536] * 256)) / peak / 0.10
    assert seconds["base's evaluation"] == seconds["last evaluation"] == pytest.approx(whole)
    assert seconds["evaluations on the way"] == pytest.approx(9 * 200 / 650 * whole)
    assert found.gpu_hours == pytest.approx(4 * sum(seconds.values()) / 3600)


def test_a_batch_that_is_filled_costs_more():
    """Twice as many greedy answers under SELF; twice as many groups where the filter looks at answers."""
    run = ["experiment=grpo_qwen7b", "algo/loss=grpo"]
    none, never, again, dynamic = (
        times(*run, f"algo/filter={choice}") for choice in ("none", "self", "self", "dynamic")
    )
    never = replace(never, refill=False)
    flops = [one.phases["rollouts"].flops for one in (none, never, again, dynamic)]
    greedy = flops[1] - flops[0]
    assert greedy > 0
    assert flops[2] - flops[0] == pytest.approx(2 * greedy)
    assert flops[3] == pytest.approx(2 * flops[0])


def test_few_sequences_wait_for_the_weights():
    """One problem: 3,072 tokens one after the other, each after 2 bytes of every weight from memory at 3.35 TB/s."""
    found = times("experiment=grpo_qwen7b", "batch.problems_per_step=4", "batch.group_size=2")
    weights = 2 * (found.size.layers + found.size.head)
    rollouts = found.phases["rollouts"]
    assert rollouts.seconds == pytest.approx(found.plan.rollouts * 3072 * weights / 3.35e12)
    assert rollouts.share < 0.10


def test_the_embedded_default_by_hand():
    """On a processor of 100 GFLOP/s: 2,100 steps of 128 demonstrations make the base; no GPU-hours."""
    threads = torch.get_num_threads()
    found = replace(times("algo=grpo"), sampling=Peak(1e11, ""), training=Peak(1e11, ""))
    assert found.lengths.completion == 10  # five digits, four operators, the end
    size = PolicySize.of(found.plan.config)
    shown = 2100 * 128 * size.forward(Passed.of(found.lengths.prompt, [10]))
    made = found.phases["warm start of the base"]
    assert made.flops == pytest.approx(3 * shown)
    assert made.seconds == pytest.approx(threads * (shown / 0.28 + 2 * shown / 0.36) / 1e11)
    steps = [found.phases[name].seconds for name in ("rollouts", "forward passes", "backward passes")]
    assert found.phases["everything else"].seconds == pytest.approx(0.1 * sum(steps))
    assert found.gpu_hours == 0
    assert "scoring" not in found.phases


def test_adapters_and_a_pretrained_policy():
    """Frozen weights get no gradient; who is not made from scratch has no warm start."""
    whole, lora = (times("experiment=grpo_qwen1_5b", "trainer=gpu", "trainer.devices=1", *more) for more in LORA)
    assert lora.phases["backward passes"].flops < whole.phases["backward passes"].flops
    assert "warm start of the base" not in whole.phases


def test_a_base_that_is_there_is_not_made(tmp_path: Path):
    """The cache has it, under the name that the run will look for."""
    cache = [f"paths.cache_dir={tmp_path}", "seed=3"]
    assert "warm start of the base" in times(*cache).phases
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [*PATHS, *cache])
    instantiate(cfg.model).folder(instantiate(cfg.data), 3, tmp_path).mkdir()
    assert "warm start of the base" not in times(*cache).phases
    assert "warm start of the base" in times(cache[0], "seed=4").phases


def test_what_it_assumes_is_said():
    """Lengths, utilisation, the GPU that is meant, the problems that it does not know."""
    found = times("experiment=self_qwen7b", "gpu_gib=40")
    said = " ".join(found.assumptions)
    for part in (
        "NVIDIA L40S, which gpu_gib=40",
        "no GPU has run this",
        "256 tokens and a completion 1,536",
        "a guess",
    ):
        assert part in said
    assert "GPU-hours" in str(found)
    assert "GPU-hours" in found.table().markdown()
    assert "as right answers of this task have" in " ".join(times().assumptions)
    assert "500 problems are held out" in " ".join(times().assumptions)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([], "one thread; further ones"),
        (["trainer.precision=bf16-mixed"], "one thread; further ones"),
        (["model=qwen2_5_math_1_5b"], "on one thread"),
        (["model=qwen2_5_math_1_5b", "trainer.precision=bf16-mixed", "rollout=vllm"], "with AMX"),
    ],
    ids=["tiny", "tiny in bf16", "real", "real in bf16"],
)
def test_utilisation_is_that_of_the_size_and_the_type(overrides: list[str], said: str):
    """A peak that is ten times as high in bf16 is not reached as nearly."""
    assert said in times(*overrides).assumed.said_by


def test_evaluations_on_the_way():
    """After every 40th of 400 steps but the last; where a rollout has three steps, after every 120th of 1,200."""
    assert times()._on_the_way == 9
    assert times("batch.minibatches_per_rollout=3")._on_the_way == 9
    assert times("rollouts=41", "batch.minibatches_per_rollout=1")._on_the_way == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (4.24, "4.2 s"),
        (99, "99 s"),
        (150, "2.5 min"),
        (5400, "90 min"),
        (7200, "2 h"),
        (1e5, "28 h"),
        (2e6, "23 days"),
    ],
)
def test_durations_have_units(seconds: float, words: str):
    assert in_words(seconds) == words
