"""The training step under a GPU's rules: everything on one device, nothing read back but one norm a step."""

from dataclasses import replace
from functools import partial

import lightning
import peft
import pytest
import torch
from fake_cuda import BENCH, CUDA, fake_cuda
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.algo import Correction, EntropyBonus, Objective
from rlvr.algo.surrogates import ppo_clip
from rlvr.models import trainable
from rlvr.scoring import attention
from rlvr.training import PolicyModule

SIZE = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96)
PACKED = [BENCH["micro_batch"](3000, seed) for seed in (0, 1)]  # on the CPU, as rollouts are packed
MIXED = "Expected all tensors to be on the same device"


def stepped(
    architecture: str, dtype: torch.dtype, change=lambda module, batch: None, lora=None, old=False, auxiliary=()
):
    """One optimizer step of the project's own module, from packing to AdamW, on two micro-batches."""
    with torch.device("meta"):
        config = AutoConfig.for_model(architecture, vocab_size=128, tie_word_embeddings=True, **SIZE)
        policy = trainable(AutoModelForCausalLM.from_config(config, dtype=dtype), lora, gradient_checkpointing=True)
    trainer = lightning.Trainer(max_steps=2, accelerator="cpu", devices=1, logger=False)
    with fake_cuda() as (mode, device):
        module = PolicyModule(
            policy=BENCH["shapes_only"](policy, "cuda"),
            objective=Objective(
                partial(ppo_clip, clip_low=0.2, clip_high=0.28), [Correction("token", 2.0, "truncate")], auxiliary
            ),
            optimizer=partial(torch.optim.AdamW, lr=1e-6, fused=True),
            warmup_steps=2,
            lr_schedule="constant",
            temperature=0.7,
            minibatches_per_rollout=1,
        )
        module.trainer = trainer
        optimizer = module.configure_optimizers()["optimizer"]
        for number, packed in enumerate(PACKED):
            batch = BENCH["faked"](packed, mode).to(CUDA)
            if old:
                batch = batch.with_old(torch.zeros_like(batch.engine_logp_BT))
            change(module, batch)
            module.training_step(batch, number).backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
    return module, optimizer, device


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("lora", [None, 8], ids=["", "lora"])
def test_a_step_stays_on_its_device(architecture: str, dtype: torch.dtype, lora: int | None):
    """Gradients and the optimizer's moments, too; and the device is waited for once, for the gradient's norm."""
    adapters = peft.LoraConfig(task_type="CAUSAL_LM", r=lora, target_modules="all-linear") if lora else None
    module, optimizer, device = stepped(
        architecture, dtype, lora=adapters, old=lora is None, auxiliary=[] if lora else [EntropyBonus(1e-3)]
    )
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    states = [value for state in optimizer.state.values() for value in state.values()]
    assert {value.device for value in (*trained, *states)} == {CUDA}
    assert all(parameter.grad.device == CUDA for parameter in trained)
    assert len(states) == 3 * len(trained)
    assert device.waits == 1


def index_left_behind(module: PolicyModule, batch) -> None:
    batch.before_M = batch.before_M.to("cpu")


def rows_left_behind(module: PolicyModule, batch) -> None:
    batch.rows = batch.rows.to(torch.device("cpu"))


def made_inside_the_step(module: PolicyModule, batch) -> None:
    surrogate = module.objective.surrogate

    def careless(logp_BT, old_logp_BT, advantage_BT, mask_BT):
        loss_BT, clipped_BT = surrogate(logp_BT, old_logp_BT, advantage_BT, mask_BT)
        return loss_BT + torch.zeros(loss_BT.shape), clipped_BT

    module.objective = replace(module.objective, surrogate=careless)


def gradient_on_the_host(module: PolicyModule, batch) -> None:
    parameter = module.policy.lm_head.weight
    parameter.register_hook(lambda grad: grad * torch.ones(grad.shape))


@pytest.mark.parametrize(
    "change",
    [index_left_behind, rows_left_behind, made_inside_the_step, gradient_on_the_host],
    ids=lambda f: f.__name__,
)
def test_a_tensor_on_the_wrong_device_is_seen(change):
    """Each of these runs on a CPU and would stop a GPU's first step."""
    with pytest.raises(RuntimeError, match=MIXED):
        stepped("qwen2", torch.bfloat16, change)


def test_a_tensor_that_is_read_back_is_seen():
    """A number taken from the loss makes the host wait in every micro-batch."""

    def reads(module: PolicyModule, batch) -> None:
        float(batch.weight_BT.sum())

    assert stepped("qwen2", torch.bfloat16, reads)[-1].waits == 3


@pytest.mark.parametrize(("dtype", "heads"), [(torch.float32, 4), (torch.bfloat16, 2)], ids=str)
def test_keys_and_values_are_copied_to_every_head_in_fp32_only(monkeypatch, dtype: torch.dtype, heads: int):
    """In bf16 flash attention reads grouped heads as they are."""
    seen, real = set(), attention.scaled_dot_product_attention

    def spy(query, key, value, **settings):
        seen.add((query.shape[1], key.shape[1], value.shape[1], settings["enable_gqa"]))
        return real(query, key, value, **settings)

    monkeypatch.setattr(attention, "scaled_dot_product_attention", spy)
    stepped("qwen2", dtype)
    assert seen == {(4, heads, heads, heads == 2)}


# --- memory -------------------------------------------------------------------------------------------------------


FIRST = {"Qwen2.5-1.5B fp32, mixed"}  # a whole model takes ten seconds


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FIRST else pytest.mark.full) for name in BENCH["ROWS"]]
)
def test_planned_activations_are_within_a_tenth_of_the_counted(name: str):
    """Whole models, 32,768 packed tokens; what `benchmarks/plan.py` prints."""
    planned, counted = BENCH["compare"](BENCH["ROWS"][name])
    assert planned == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize(
    ("overrides", "layers", "checkpointing", "tokens"),
    [
        ([], 8, False, 8192),
        (["trainer=gpu"], 8, False, 8192),
        (["trainer=gpu"], 28, True, 4096),
        ([], 8, True, 1024),
        (["algo/auxiliary=entropy_bonus"], 8, True, 4096),
        (["trainer=gpu", "trainer.precision=32-true"], 8, True, 8192),
    ],
    ids=["all layers bf16", "all layers mixed", "autocast's copies", "output head", "entropy bonus", "fp32"],
)
def test_other_peaks_than_a_layer_s(overrides: list[str], layers: int, checkpointing: bool, tokens: int):
    """The 1.5B shape, where something else than one layer's backward pass takes the most."""
    plan, lora = BENCH["planned"](["experiment=grpo_qwen1_5b", f"model.size.num_hidden_layers={layers}", *overrides])
    plan = replace(plan, gradient_checkpointing=checkpointing)
    counted, rows = BENCH["count"](plan, lora, tokens)
    planned = replace(plan.memory.step, rows=rows, tokens=tokens).bytes / 2**30
    assert planned == pytest.approx(counted, rel=0.1)
