"""Policies of which each rank takes its part from the files: two ranks on the CPU, the real DeepSpeed, ZeRO-3."""

import json
import sys
from pathlib import Path

import forkserver
import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

pytest.importorskip("deepspeed")
pytest.importorskip("peft")

RANK = Path(__file__).with_name("loading_rank.py")
TRAIN = Path(__file__).parents[2] / "src" / "train.py"
RUN = [
    *("debug=quick", "algo=nsr", "model.steps=20", "data.train_size=64", "data.heldout_size=16"),
    *("trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"),
    *("trainer.max_steps=3", "callbacks.checkpoint.every_n_rollouts=1"),
    *("rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"),
]
SMALL = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, intermediate_size=96)
LARGE = dict(hidden_size=2048, num_attention_heads=16, num_key_value_heads=4, intermediate_size=8192)
LAYERS = 16


def launch(out: Path, wanted: str, *folders: Path) -> list[dict]:
    """What each rank saw."""
    command = [sys.executable, str(RANK), str(out), wanted, *map(str, folders)]
    forkserver.run_ranks(command, 2, kind="plain", timeout=400)
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]


def small(folder: Path, architecture: str, tie: bool) -> Path:
    """A policy of several files."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=51, tie_word_embeddings=tie, **SMALL)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder, max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


def large(folder: Path) -> Path:
    """A policy of 1.0e9 random parameters in bf16, written a layer at a time."""
    config = AutoConfig.for_model(
        "qwen2", vocab_size=32000, tie_word_embeddings=False, num_hidden_layers=LAYERS, **LARGE
    )
    config.save_pretrained(folder)
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in AutoModelForCausalLM.from_config(config).named_parameters()}
    parts: dict[str, list[str]] = {}
    for name in shapes:
        layer = name.split(".")[2] if ".layers." in name else name
        parts.setdefault(f"part-{layer}.safetensors", []).append(name)
    for file, names in parts.items():
        save_file({n: torch.empty(shapes[n], dtype=torch.bfloat16).normal_() for n in names}, folder / file)
    file_of = {name: file for file, names in parts.items() for name in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": file_of}))
    assert sum(shape.numel() for shape in shapes.values()) > 1e9
    return folder


def test_what_the_ranks_hold_together_is_the_model(tmp_path: Path):
    """To the bit, tied or not, in fp32, in bf16 and under adapters; buffers in fp32."""
    kinds = [("qwen2", True), ("qwen2", False), ("qwen3", True), ("llama", False)]
    folders = [small(tmp_path / f"{architecture}-{tie}", architecture, tie) for architecture, tie in kinds]
    first, second = launch(tmp_path, "compare", *folders)
    for name, seen in [*first.items(), *second.items()]:
        assert seen["equal"], name
        assert seen["partitioned"], name
        assert seen["buffers"] == ["torch.float32"], name
        assert seen["dtypes"] == ["torch.float32" if "-" in name else "torch.bfloat16"], name
    assert first["adapters"]["adapters"] == second["adapters"]["adapters"]
    assert any(first["adapters"]["adapters"])


@pytest.mark.full
def test_no_rank_ever_holds_the_model(tmp_path: Path):
    """1.0e9 parameters, 2 ranks: neither ever takes 0.7 of the model, of which its part is 0.5."""
    first, second = launch(tmp_path, "measure", small(tmp_path / "small", "qwen2", True), large(tmp_path / "large"))
    size = first["size"]
    assert first["whole"] > 0.95 * size  # the measure sees what there is to see
    parts = [seen["sharded"]["peak"] / size for seen in (first, second)]
    print(f"{size / 2**30:.2f} GiB; peak of each rank, of the model: {parts}; whole: {first['whole'] / size:.2f}")
    assert max(parts) < 0.7
    assert first["sharded"]["partitioned"]
    assert second["sharded"]["partitioned"]


@pytest.mark.full
def test_a_run_goes_on_from_its_shards(tmp_path: Path):
    """From the first checkpoint of a run of three steps to its end, to the bit; the files hold the base only."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    policies = []
    for name, more in {"whole": [], "resumed": [f"ckpt_path={tmp_path / 'whole/checkpoints/step-1'}"]}.items():
        paths = [f"paths.log_dir={tmp_path}", f"hydra.run.dir={tmp_path / name}"]
        done = forkserver.run([sys.executable, str(TRAIN), *RUN, *paths, *more])
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        policies.append(AutoModelForCausalLM.from_pretrained(tmp_path / name / "policy").state_dict())
    base = AutoModelForCausalLM.from_pretrained(next(tmp_path.glob("**/base-*"))).state_dict()
    for name, tensor in policies[0].items():
        assert torch.equal(tensor, policies[1][name]), name
    assert any(not torch.equal(tensor, base[name]) for name, tensor in policies[0].items())
