"""Settings that can't work are refused in one sentence, before anything starts."""

import pytest
import torch

from rlvr.build import build, engine_of, plan_of, sampling_of, strategy_traits
from rlvr.errors import ConfigError
from rlvr.folders import check_folder
from rlvr.names import name_of
from rlvr.preflight.kinds import check_kinds
from rlvr.preflight.machine import check_disk, check_machine
from rlvr.preflight.settings import check


def refused(cfg) -> None:
    """All that looks at settings."""
    check(cfg)
    check_kinds(cfg, engine_of(cfg).traits, strategy_traits(cfg))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["batch.group_size=1", "algo=grpo"], "batch.group_size=1: loss grpo compares"),
        (["batch.minibatches_per_rollout=3"], "batch.problems_per_step=8: must be divisible by batch.minibatches"),
        (["trainer.devices=3"], "batch.problems_per_step=8: must be divisible by 3 ranks"),
        (
            ["rollout=vllm", "rollout.engine.tensor_parallel_size=2"],
            "rollout.engine.tensor_parallel_size=2: must divide",
        ),
        (
            ["algo=grpo_kl", "algo.auxiliary.kl.reset_every_n_steps=9", "lora=rank16"],
            "algo.auxiliary.kl.reset_every_n_steps=9: with adapters the reference is the policy without them",
        ),
        (
            ["algo=grpo_kl", "algo.auxiliary.kl.reset_every_n_steps=9", "rollout=vllm", "trainer=deepspeed_zero3"],
            "algo.auxiliary.kl.reset_every_n_steps=9: this trainer.strategy leaves every rank a part",
        ),
        (
            ["algo=grpo_kl", "+algo.auxiliary.second=${algo.auxiliary.kl}"],
            "algo.auxiliary: kl and second both hold the policy near a reference",
        ),
        (["eval.cross=true", "eval.temperature=0"], "eval.temperature=0: greedy samples have no KL"),
        (
            ["eval.cross=true", "algo=grpo_kl", "algo.auxiliary.kl.reset_every_n_steps=9"],
            "algo.auxiliary.kl.reset_every_n_steps=9: the reference would not stay the base that eval.cross compares",
        ),
        (["data.train_size=4"], "data.train_size=4: the pool is smaller than one batch"),
        (["data.heldout_size=4"], "eval.path_problems=8: the data set has only"),
        (["eval.n=12"], "eval.n=12: must be a power of two"),
        (["eval.n=0"], "eval.n=0: must be a whole number above 0"),
        (["eval.temperature=-1"], "eval.temperature=-1"),
        (["eval.top_p=0"], "eval.top_p=0: must be a number above 0 and at most 1"),
        (["optimizer.lr=-1e-4"], "optimizer.lr=-0.0001: must be a number above 0"),
        (["rollout.sampling.top_p=0.9"], "rollout.sampling.top_p=0.9: must be 1 in training"),
        (["rollout.sampling.temperature=0"], "rollout.sampling.temperature=0: must be a number above 0"),
        (["lr_schedule=linear"], "lr_schedule=linear: must be constant or cosine."),
        (["rollout=vllm", "rollout.engine.dtype=int8"], "rollout.engine.dtype=int8: must be one of float32"),
        (
            ["trainer=deepspeed_zero3", "trainer.devices=2"],
            "rollout.engine: it generates with the policy's own parameters",
        ),
        (["trainer.precision=16-mixed"], "trainer.precision=16-mixed: must be one of 32-true, bf16-mixed"),
        (
            ["trainer.precision=bf16-true"],
            "trainer.precision=bf16-true: nothing would keep the trained weights in fp32",
        ),
        (
            ["trainer=deepspeed_zero2", "trainer.precision=bf16-mixed"],
            "trainer.precision=bf16-mixed: the strategy keeps",
        ),
        (["trainer=gpu", "trainer.precision=bf16-true", "lora=rank16"], "trainer.precision=bf16-true: nothing would"),
        (
            ["+trainer.strategy=deepspeed_stage_2"],
            "trainer.strategy=deepspeed_stage_2: Lightning's own divides the loss",
        ),
        (["batch.micro_batch_tokens=0"], "batch.micro_batch_tokens=0: must be a whole number above 0"),
        (["rollouts=0"], "rollouts=0: must be a whole number above 0"),
        (["rollouts=-3"], "rollouts=-3: must be a whole number above 0"),
        (["rollouts=1.5"], "rollouts=1.5: must be a whole number above 0"),
        (["rollouts=true"], "rollouts=true: must be a whole number above 0"),
        (["rollouts=many"], "rollouts=many: must be a whole number above 0"),
        (["rollouts=null"], "rollouts=null: must be a whole number above 0"),
        (["batch.minibatches_per_rollout=two"], "batch.minibatches_per_rollout=two: must be a whole number above 0"),
        (["trainer.max_steps=1.5"], "trainer.max_steps=1.5: must be a whole number above 0"),
        (["eval.max_new_tokens=0"], "eval.max_new_tokens=0: must be a whole number above 0 (tokens), or null"),
        (["lora=rank16", "optimizer.lr=1e-6"], "optimizer.lr=1e-06: too low for lora"),
        (["preflight=maybe"], "preflight=maybe: must be run or only"),
        (["algo.loss.signs.negative=-1"], "algo.loss.signs.negative=-1: must be a number of at least 0"),
        (
            ["algo=bbg", "algo.filter.weighting=soft"],
            "algo.filter.weighting=soft: must be one of gate, share",
        ),
        (["paths.log_dir=/proc/nowhere/logs"], "paths.log_dir=/proc/nowhere/logs: "),
    ],
)
def test_one_sentence(quick, overrides: list[str], sentence: str):
    """The sentence names the key and its value."""
    cfg = quick(*overrides)
    with pytest.raises(ConfigError) as caught:
        refused(cfg)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["rollout.sampling.max_new_tokens=64"], "rollout.sampling.max_new_tokens=64: with a prompt of up to 1 tokens"),
        (
            ["batch.micro_batch_tokens=15"],
            "batch.micro_batch_tokens=15: must hold a prompt of 9 tokens and a completion of 10",
        ),
        (
            ["rollout=vllm", "rollout.engine.max_model_len=9"],
            "rollout.sampling.max_new_tokens=",
        ),
    ],
)
def test_lengths_that_cannot_fit_are_one_sentence(quick, overrides: list[str], sentence: str):
    """Before the model is loaded, from its config alone."""
    with pytest.raises(ConfigError) as caught:
        plan_of(quick(*overrides)).check()
    assert str(caught.value).startswith(sentence)


def test_a_made_task_bounds_its_prompts(quick):
    """By what it shows, not by a long context: a micro-batch need not hold all that a pre-trained model could read."""
    plan = plan_of(quick("model.size.max_position_embeddings=8192", "batch.micro_batch_tokens=20"))
    plan.check()
    assert (plan.max_prompt_tokens, plan.context) == (9, 8192)
    with pytest.raises(ConfigError, match=r"data\.prompt='\{foo\}': may hold"):
        plan_of(quick("+data.prompt='{foo}'"))


def test_a_disk_too_small_for_checkpoints_is_one_sentence(tmp_path):
    """Asked of the folder that will be made, too."""
    with pytest.raises(
        ConfigError, match=r"paths\.log_dir=.*new: [\d.]+ GiB are free and two checkpoints take 20000000"
    ):
        check_disk(1e7, tmp_path / "new")


def test_a_missing_vllm_is_one_sentence(quick, monkeypatch):
    """With the command that installs it, before anything starts."""
    monkeypatch.setattr("rlvr.preflight.machine.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="rollout=vllm: vLLM is not installed; `make vllm` installs"):
        check_machine(quick("rollout=vllm"), ["vllm", None])


def test_a_hub_that_does_not_answer_is_one_sentence(quick, monkeypatch):
    """A model that is nowhere to be had, before anything is loaded."""
    monkeypatch.setattr("rlvr.preflight.machine.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        ConfigError, match=r"model\.name=nobody/nothing: no such folder, not in the cache, and http://127"
    ):
        check_machine(quick("model=pretrained", "model.name=nobody/nothing"), [])


def test_a_folder_that_is_not_there_is_one_sentence(quick):
    """Also where only the plan is wanted, which reads the model's config and looks at no machine."""
    cfg = quick("model=pretrained", "model.name=/no/such/folder")
    with pytest.raises(ConfigError, match=r"model\.name=/no/such/folder: no such folder, and nothing on the hub"):
        check_machine(cfg, [])
    with pytest.raises(ConfigError, match=r"model\.name=/no/such/folder: its config can't be read"):
        plan_of(cfg)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_published_experiment_without_a_gpu_is_one_sentence(quick):
    """Nothing is downloaded first."""
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=cuda: this machine has no GPU"):
        check_machine(quick("experiment=self_qwen7b"), [])


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine that is no Mac with a GPU")
def test_a_mac_that_is_not_there(quick):
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=mps: torch finds no GPU of a Mac here"):
        check_machine(quick("trainer=mps"), [])


def test_a_prompt_that_does_not_fit_is_named(quick):
    """With its length, when the data are loaded."""
    with pytest.raises(ConfigError, match=r"Problem \S+: its prompt of \d+ tokens and .*max_new_tokens=60 do not fit"):
        build(quick("rollout.sampling.max_new_tokens=60"))


def test_the_default_passes(quick):
    """No check fires on what ships."""
    check(quick())


def test_an_unknown_length_is_refused(quick):
    """Real data sets don't know how long an answer is."""
    cfg = quick("data=math", "rollout.sampling.max_new_tokens=null")
    source = type("Source", (), {"max_completion_tokens": None})()
    with pytest.raises(ConfigError, match=r"rollout\.sampling\.max_new_tokens=null"):
        sampling_of(cfg, source)


def test_labels(quick):
    """A published pair has its name, another one is called by its parts."""
    assert name_of(quick("algo=bbg")) == "BBG"
    assert name_of(quick("algo=bbg", "algo/loss=grpo")) == "bbg+grpo"


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_ranks_without_a_common_folder_are_one_sentence(monkeypatch, variable: str):
    """Started by torchrun or srun; alone, and with a folder, all is well."""
    for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    check_folder([])
    monkeypatch.setenv(variable, "2")
    check_folder(["hydra.run.dir=logs/runs/a"])
    with pytest.raises(
        ConfigError, match=r"hydra\.run\.dir: not given, and every rank would write to a folder of its own"
    ):
        check_folder(["hydra.sweep.dir=x"])
