"""The weights that an engine is given: every one, under the checkpoint's names, in layer order, LoRA merged."""

import re
from contextlib import contextmanager

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.rollout import named_weights


def policy(tie: bool):
    torch.manual_seed(0)
    size = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, intermediate_size=48)
    config = AutoConfig.for_model("qwen2", vocab_size=16, tie_word_embeddings=tie, **size)
    return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("tie", [True, False])
def test_every_weight_comes_under_its_name(tie: bool):
    """The output head too where it is tied to the input's embedding."""
    model = policy(tie)
    weights = dict(named_weights(model))
    assert set(weights) == set(model.state_dict())
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(tensor.requires_grad for tensor in weights.values())


def test_layers_come_one_after_the_other_and_are_gathered_one_at_a_time():
    """An engine that gets parts of two layers at once buffers them; a rank that gathers two holds both."""
    whole: list[int] = []
    most: list[int] = []

    @contextmanager
    def gathered(parameters):
        whole.append(len(parameters))
        most.append(len(whole))
        yield
        whole.pop()

    names = [name for name, _ in named_weights(policy(True), gathered)]
    layers = [int(found[1]) for name in names if (found := re.search(r"layers\.(\d+)\.", name))]
    assert layers == sorted(layers)
    assert max(most) == 1
    assert len(most) == 3 + 3  # embedding, three layers, final norm, head


def test_lora_is_merged_as_peft_merges_it():
    """Names without the wrapper's, values as after merge_and_unload, the policy's own left alone."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "o_proj", "up_proj"], init_lora_weights=False)
    wrapped = peft.get_peft_model(policy(True), config)
    before = {name: tensor.clone() for name, tensor in wrapped.state_dict().items()}
    weights = {name: tensor.clone() for name, tensor in named_weights(wrapped)}
    assert all(torch.equal(tensor, before[name]) for name, tensor in wrapped.state_dict().items())
    merged = wrapped.merge_and_unload().state_dict()
    assert set(weights) == set(merged)
    for name, tensor in merged.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-6, atol=1e-7)
