"""A policy whose weights are still in their files: as the whole one in all else, and faults of the files are said."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from rlvr.errors import ConfigError
from rlvr.models import Checkpoint
from rlvr.models.streamed import fill

SIZE = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, intermediate_size=96)
CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy in one file, an instruction-tuned one's two ends of sequence beside it."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen3", vocab_size=51, **SIZE))
    model.save_pretrained(tmp_path)
    GenerationConfig(eos_token_id=[3, 7]).save_pretrained(tmp_path)
    return tmp_path


def change(folder: Path, **changes: torch.Tensor | None) -> None:
    """Write other tensors into the file, or none."""
    file = folder / "model.safetensors"
    save_file({name: t for name, t in (load_file(file) | changes).items() if t is not None}, file, {"format": "pt"})


def whole_of(folder: Path, dtype: torch.dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("tie", [True, False])
def test_a_hollow_policy_is_the_whole_one_but_for_its_weights(tmp_path: Path, architecture: str, tie: bool):
    """Buffers to the bit and in fp32, names, ties, settings; what nobody filled is NaN and takes no memory."""
    config = AutoConfig.for_model(architecture, vocab_size=51, tie_word_embeddings=tie, **SIZE)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    checkpoint = Checkpoint(str(tmp_path))
    hollow, whole = checkpoint.hollow(torch.bfloat16), whole_of(tmp_path, torch.bfloat16)
    assert {name: p.shape for name, p in hollow.named_parameters()} == {n: p.shape for n, p in whole.named_parameters()}
    assert all(p.isnan().all() and p.untyped_storage().nbytes() == 2 for p in hollow.parameters())
    assert (hollow.lm_head.weight is hollow.model.embed_tokens.weight) == tie
    for (name, buffer), (other, expected) in zip(hollow.named_buffers(), whole.named_buffers(), strict=True):
        assert name == other
        assert buffer.dtype == torch.float32
        assert torch.equal(buffer, expected)
    assert hollow.config.to_dict() == whole.config.to_dict()
    assert (hollow.dtype, hollow.device, hollow.training) == (whole.dtype, whole.device, whole.training)


def test_it_ends_completions_where_the_whole_one_does(folder: Path):
    """The generation config is a file of its own."""
    assert Checkpoint(str(folder)).hollow(torch.float32).generation_config.eos_token_id == [3, 7]


def test_the_rank_that_reads_has_every_weight_when_its_layer_is_partitioned(folder: Path):
    """One layer at a time; what comes later is still hollow. The other ranks bring only room for the layer."""
    checkpoint = Checkpoint(str(folder))
    policy, whole = checkpoint.hollow(torch.float32), whole_of(folder, torch.float32)
    left = []
    fill(policy, checkpoint, lambda _: left.append(sum(bool(p.isnan().any()) for p in policy.parameters())), CPU, True)
    assert left == sorted(left, reverse=True)
    assert (len(set(left)), left[-1]) == (5, 0)  # embedding, two layers, norm, head
    assert all(torch.equal(a, b) for a, b in zip(policy.parameters(), whole.parameters(), strict=True))
    other = checkpoint.hollow(torch.float32)
    (folder / "model.safetensors").unlink()  # it reads nothing
    fill(other, checkpoint, lambda layer: None, CPU, False)
    assert all(p.is_contiguous() and p.untyped_storage().nbytes() == p.nbytes for p in other.parameters())


def test_faults_of_the_files_are_said_in_a_sentence(folder: Path):
    """A lacking tensor, one of another shape; on every rank, before any waits for another."""
    checkpoint, name = Checkpoint(str(folder)), "model.layers.1.mlp.up_proj.weight"
    change(folder, **{name: torch.zeros(95, 64)})
    with pytest.raises(ConfigError, match=rf"{name} of shape \[96, 64\], and its files hold \[95, 64\]"):
        checkpoint.hollow(torch.float32)
    change(folder, **{name: None})
    with pytest.raises(ConfigError, match=f"files lack {name}"):
        Checkpoint(str(folder)).hollow(torch.float32)


def test_tensors_that_no_parameter_asks_for_are_left(folder: Path):
    """A tied head beside its embedding, frequencies that older versions saved."""
    change(folder, **{"lm_head.weight": torch.zeros(51, 64), "model.layers.0.rotary_emb.inv_freq": torch.zeros(16)})
    Checkpoint(str(folder)).hollow(torch.float32)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda file: file.unlink(), "there is no model.safetensors, and ZeRO-3 reads"),
        (lambda file: file.write_bytes(file.read_bytes()[:100]), "can't be read"),
    ],
    ids=["none", "cut off"],
)
def test_files_that_cannot_be_read_are_refused(folder: Path, spoil, sentence: str):
    spoil(folder / "model.safetensors")
    with pytest.raises(ConfigError, match=sentence):
        Checkpoint(str(folder)).hollow(torch.float32)


def test_an_index_that_names_a_missing_file_is_refused(folder: Path):
    names = load_file(folder / "model.safetensors")
    first = {name: "model.safetensors" if "norm" in name else "model-00002.safetensors" for name in names}
    save_file({n: t for n, t in names.items() if "norm" in n}, folder / "model.safetensors", {"format": "pt"})
    index = {"metadata": {}, "weight_map": first}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"files lack model\.embed_tokens\.weight"):
        Checkpoint(str(folder)).hollow(torch.float32)
