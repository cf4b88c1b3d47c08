"""The plan of a run: counts against real models, memory by hand, and advice where something cannot fit."""

from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from rlvr.build import build, plan_of
from rlvr.errors import ConfigError
from rlvr.preflight.settings import check

CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))


def plan(*overrides: str):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["paths.run_dir=x", "paths.cache_dir=x", "paths.log_dir=.", *overrides])
    check(cfg)
    return plan_of(cfg)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_fits_its_machine(name: str):
    """GPUs of 80 GB; no hub is asked."""
    found = plan(f"experiment={name}", "gpu_gib=80")
    found.check()
    assert found.device_gib == 80


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("qwen2_5_math_7b", 7_615_616_512),
        ("qwen2_5_math_1_5b", 1_543_714_304),
        ("llama3_2_3b_instruct", 3_212_749_824),
        ("qwen3_4b", 4_022_468_096),
    ],
)
def test_published_sizes(model: str, parameters: int):
    """7.62, 1.54, 3.21 and 4.02 billion, as the model cards say."""
    assert plan(f"model={model}", "data=math", "rollout.sampling.max_new_tokens=3072").parameters == parameters


def test_a_nucleus_holds_more_logits():
    """Chunks of a quarter GiB: two and a half more in the backward pass; a proxy, which has no gradient, none."""
    run = ["experiment=self_qwen1_5b", "lora=rank16"]
    plain, proxy, nucleus = (plan(*run, f"algo/auxiliary={term}").memory.step for term in ("none", "lp_reg", "siren"))
    assert plain == proxy
    assert nucleus.head - plain.head == pytest.approx(2.5 * 2**28)
    assert nucleus.forward >= plain.forward


def test_a_reference_is_a_second_copy():
    """In parts where the policy is; adapters need none."""
    run, part = "experiment=self_qwen1_5b", 1_543_714_304 / 4 / 2**30
    plain, kl = (plan(run, f"algo/auxiliary={term}") for term in ("none", "kl"))
    assert kl.memory.gib["reference"] == pytest.approx(2 * part)
    for phase, peak in plain.memory.peaks_gib.items():
        assert kl.memory.peaks_gib[phase] == pytest.approx(peak + 2 * part)
    assert kl.checkpoint_gib == pytest.approx(plain.checkpoint_gib + 4 * 2 * part)
    whole = replace(kl, zero_stage=2)
    assert whole.memory.gib["reference"] == pytest.approx(8 * part)
    loading = "each rank while it loads"
    assert whole.memory.host_gib[loading] == pytest.approx(2 * replace(plain, zero_stage=2).memory.host_gib[loading])
    assert "reference" not in plan(run, "algo/auxiliary=kl", "lora=rank16").memory.gib
    assert plan(run, "eval.cross=true").memory.gib["reference"] == pytest.approx(kl.memory.gib["reference"])


@pytest.mark.parametrize("overrides", [[], ["lora=rank16"]], ids=["whole", "lora"])
def test_counts_are_those_of_the_policy_that_is_built(quick, overrides: list[str]):
    """All parameters, and those that the optimizer moves."""
    cfg = quick(*overrides)
    found, policy = plan_of(cfg), build(cfg).module.policy
    assert found.trained == sum(p.numel() for p in policy.parameters() if p.requires_grad)
    assert found.parameters == sum(p.numel() for n, p in policy.named_parameters() if "lora_" not in n)


def test_memory_by_hand():
    """Qwen2.5-Math-1.5B on 4 ranks of ZeRO-3: P / 4 times 2, 2 and 12 bytes; 32,768 tokens at a time."""
    found = plan("experiment=self_qwen1_5b")
    gib, parameters, tokens = found.memory.gib, 1_543_714_304, 32768
    part = parameters / 4 / 2**30
    assert [gib["weights"], gib["gradients"], gib["optimizer"]] == pytest.approx([2 * part, 2 * part, 12 * part])
    assert found.micro_tokens == tokens
    assert found.step_tokens == 128 * (1024 + 8 * 3072) // (2 * 4)
    assert gib["gradient buckets"] == pytest.approx(2e8 * 2 / 2**30)
    assert gib["gathered parameters"] == pytest.approx(1e9 * 2 / 2**30)
    assert gib["left by the forward pass"] == pytest.approx(tokens * 28 * 1536 * 2 / 2**30)
    rows = 1.1 * 8 * (1024 + 3072) / (1024 + 8 * 3072)
    # Norms, attention, MLP and three gradients, in bf16; the gradient of the tied head.
    token = 2 * (9 * 1536 + 1536 + 2 * rows * (1536 + 256) + 6 * 8960)
    assert gib["largest layer or head"] == pytest.approx((tokens * token + 151936 * 1536 * 2) / 2**30)
    assert gib["optimizer step's copies"] == pytest.approx(6 * part)
    assert gib["engine's weights"] == pytest.approx((parameters + 151936 * 1536) * 2 / 2**30)
    assert gib["key-value cache"] == pytest.approx(0.3 * 80)
    assert found.sequence_gib == pytest.approx((1024 + 3072) * 2 * 28 * 256 * 2 / 2**30)
    always = 16 * part + gib["gradient buckets"] + 4
    assert found.memory.peaks_gib == pytest.approx(
        {
            "training": always
            + sum(gib[n] for n in ("gathered parameters", "left by the forward pass"))
            + gib["largest layer or head"],
            "optimizer step": always + 6 * part,
            "sampling": always + gib["engine's weights"] + 24,
        }
    )
    assert replace(found, zero_stage=2).memory.gib["weights"] == pytest.approx(8 * part)
    assert found.checkpoint_gib == pytest.approx(14 * 4 * part)


@pytest.mark.parametrize(
    ("trainer", "weights", "states", "buckets"),
    [
        (["trainer=gpu", "trainer.devices=1"], 4, 8, 0),
        (["trainer=ddp"], 4, 8, 4),
        (["trainer=deepspeed_zero2", "trainer.devices=1"], 2, 12, None),
    ],
    ids=["gpu", "ddp", "zero2"],
)
def test_bytes_of_a_parameter_by_trainer(trainer: list[str], weights: int, states: int, buckets: int | None):
    """fp32 weights under mixed precision, bf16 with fp32 copies under DeepSpeed; DDP holds all gradients twice."""
    gib, part = plan("experiment=grpo_qwen1_5b", *trainer).memory.gib, 1_543_714_304 / 2**30
    assert gib["weights"] == gib["gradients"] == pytest.approx(weights * part)
    assert gib["optimizer"] == pytest.approx(states * part)
    assert gib["gradient buckets"] == pytest.approx(4e8 * 2 / 2**30 if buckets is None else buckets * part)


def test_adapters_leave_a_half_precision_base():
    """Rank 16 over a 7B base on one GPU: 2 bytes of base, 4 + 4 + 8 of each adapter's; it was refused at 81 GiB."""
    found = plan("experiment=self_qwen7b", "trainer=gpu", "trainer.devices=1", "lora=rank16")
    found.check()
    gib, base = found.memory.gib, 7_615_616_512
    assert gib["weights"] == pytest.approx((2 * base + 4 * found.trained) / 2**30)
    assert [gib["gradients"], gib["optimizer"]] == pytest.approx([4 * found.trained / 2**30, 8 * found.trained / 2**30])
    assert 50 < max(found.memory.peaks_gib.values()) < 60


def test_offloaded_states_take_gradients_with_them():
    """Neither is on the device, nor what the optimizer's step would copy there."""
    gib = plan("experiment=self_qwen7b", "trainer=deepspeed_zero3_offload").memory.gib
    assert not gib["gradients"] + gib["optimizer"] + gib["optimizer step's copies"]


def test_a_cache_holds_a_sequence_or_is_refused():
    """114,688 bytes a token of Llama-3.2-3B in bf16; a longer context than the run's needs a larger cache."""
    plan("experiment=self_llama3b", "rollout.engine.kv_cache_gib=0.5").check()
    with pytest.raises(ConfigError, match=r"kv_cache_gib=0.4: .* one sequence of 4096 tokens take 0.44 GiB"):
        plan("experiment=self_llama3b", "rollout.engine.kv_cache_gib=0.4").check()
    with pytest.raises(ConfigError, match=r"one sequence of 131072 tokens take 14.00 GiB"):
        plan("experiment=self_llama3b", "gpu_gib=40", "rollout.engine.max_model_len=131072").check()


def test_what_deepspeed_is_set_to_is_what_is_counted():
    """Buckets and sub-groups; live parameters are DeepSpeed's own default."""
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    from rlvr.preflight.memory import BUCKET, LIVE, SUB_GROUP
    from rlvr.strategy import ShardedStrategy

    zero = DeepSpeedZeroConfig(**ShardedStrategy(stage=3).config["zero_optimization"])
    assert (zero.reduce_bucket_size, zero.max_live_parameters, zero.sub_group_size) == (BUCKET, LIVE, SUB_GROUP)


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["batch.micro_batch_tokens=400000"], "; batch.micro_batch_tokens=50000 would fit"),
        (["gpu_gib=60"], "; rollout.engine.kv_cache_gib=4 would fit"),
        (["gpu_gib=40"], "; trainer=deepspeed_zero3_offload would fit"),
        (["gpu_gib=4"], "nothing tried here would fit"),
    ],
)
def test_what_cannot_fit_gets_the_nearest_settings_that_would(overrides: list[str], advice: str):
    """And taking the advice is enough."""
    with pytest.raises(ConfigError) as caught:
        plan("experiment=self_qwen7b", *overrides).check()
    assert advice in str(caught.value)
    if advice.endswith("would fit") and "nothing" not in advice:
        settings = str(caught.value).split("; ")[-1].removesuffix(" would fit.").split()
        plan("experiment=self_qwen7b", *overrides, *settings).check()


def test_devices_may_be_left_to_lightning():
    """`auto` is as many as there are, and one CPU process where there is none."""
    assert plan("trainer.devices=auto").ranks >= 1
    assert plan("trainer.devices=[2,3]").ranks == 2  # by their indices


def test_the_smallest_default_needs_next_to_nothing():
    """No engine of its own, 0.1M parameters."""
    found = plan()
    assert max(found.memory.gib["weights"], found.memory.peaks_gib["sampling"]) < 0.01


def test_the_hosts_memory_by_hand():
    """Qwen2.5-Math-7B, 152,064 x 3,584 the largest matrix: ZeRO-3 reads that, the others all of it in every rank."""
    weights = 7_615_616_512 * 2 / 2**30
    sharded, offloaded = (plan("experiment=self_qwen7b", *more).memory.host_gib for more in ([], OFFLOAD))
    largest = 152_064 * 3_584 * 2 / 2**30
    assert sharded == pytest.approx(
        {"rank 0 while it loads": largest, "each rank's offloaded optimizer": 0, "rank 0 while it saves": weights}
    )
    assert offloaded["each rank's offloaded optimizer"] == pytest.approx(7_615_616_512 * 16 / 4 / 2**30)
    whole = plan("experiment=self_qwen7b", "trainer=deepspeed_zero2", "trainer.devices=4").memory.host_gib
    assert whole["each rank while it loads"] == pytest.approx(weights)


OFFLOAD = ["trainer=deepspeed_zero3_offload", "trainer.devices=4"]
