"""What an engine must get right on a GPU, held down without one: its device, type, context, place of compiled code."""

import os
from pathlib import Path

import pytest
import torch
from engines import CACHE, build, tiny
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from torch import distributed as dist
from transformers import AutoModelForCausalLM

from rlvr.build import context_of, engine_of, plan_of, sampling_of, sized_engine
from rlvr.preflight.machine import device
from rlvr.rollout import Host, alone_cache_gib, fingerprint, named_weights
from rlvr.rollout.process import launched
from rlvr.rollout.settings import engine_dtype

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def group():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("variables", [{}, {"LOCAL_RANK": "1", "RANK": "5"}], ids=["srun", "torchrun"])
def test_the_engine_computes_where_the_trainer_does(monkeypatch, group, variables: dict[str, str]):
    """VLLM takes the GPU of LOCAL_RANK: with trainer.devices=[2,3] or under srun that is not the launcher's."""
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with launched(torch.device("cuda", 3)):
        assert os.environ["LOCAL_RANK"] == "3"
        assert os.environ["RANK"] == "0"  # of the group, whatever the launcher called it
    assert {name: os.environ.get(name) for name in ("RANK", "LOCAL_RANK")} == {
        name: variables.get(name) for name in ("RANK", "LOCAL_RANK")
    }
    for place in ("cpu", "cuda"):  # an evaluation's rank has its GPU from torchrun
        with launched(torch.device(place)):
            assert os.environ["LOCAL_RANK"] == variables.get("LOCAL_RANK", "0")


def test_an_evaluation_computes_on_its_own_gpu(monkeypatch):
    """Under torchrun each rank has chosen its GPU; without its index all engines would land on the first."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 5)
    assert device() == torch.device("cuda", 5)


def test_types():
    """fp32 masters on a GPU need an engine in bf16 beside them, or its attention and memory are those of fp32."""
    gpu, cpu = torch.device("cuda", 0), torch.device("cpu")
    assert engine_dtype(None, gpu, torch.float32) == torch.bfloat16
    assert engine_dtype(None, cpu, torch.float32) == torch.float32
    assert engine_dtype("float32", gpu, torch.float32) == torch.float32


@pytest.mark.parametrize(
    ("overrides", "dtype", "size"),
    [
        (["trainer.precision=bf16-mixed"], "bfloat16", 2),
        (["trainer.precision=bf16-mixed", "rollout.engine.dtype=float32"], "float32", 4),
        (["trainer=deepspeed_zero2", "trainer.accelerator=cpu"], "bfloat16", 2),
        ([], None, 4),
        (["trainer=gpu"], None, 2),  # any vLLM on a GPU computes in bf16: its samples are those of an evaluation alone
    ],
    ids=["mixed on a CPU", "asked for", "bf16 on a CPU", "fp32 on a CPU", "a GPU"],
)
def test_a_type_left_open_is_the_trainers(tmp_path: Path, overrides: list[str], dtype: str | None, size: int):
    """Also in the plan. Weights under mixed precision are in fp32, in which vLLM on a CPU takes most of a step."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["rollout=vllm", *overrides, f"paths.cache_dir={tmp_path}", "paths.run_dir=x"])
    assert engine_of(cfg).traits.dtype == dtype
    assert plan_of(cfg).engine_bytes == size


def test_an_engine_alone_has_most_of_the_gpu():
    """0.8 of it, less its weights; on a CPU 1 GiB."""
    assert alone_cache_gib(80.0, 14.0) == pytest.approx(50.0)
    assert alone_cache_gib(24.0, 30.0) == 1.0
    assert alone_cache_gib(None, 14.0) == 1.0


@pytest.mark.full
def test_compiled_code_is_found_again():
    """VLLM keeps it by a hash of its config, in which the model's place stands; a temporary folder would be new."""
    hashes = []
    for policy in (tiny(), tiny(), tiny(tie=False)):
        engine = build(policy)
        hashes.append(engine.llm.llm_engine.vllm_config.compute_hash())
        engine.close()
    assert hashes[0] == hashes[1]
    assert len(list(CACHE.glob("engine-*"))) == 1  # tied or not, the engine has a head of its own


# A GPU of 40 GB keeps 12 GiB for the cache; one layer gets its part of it.
CACHE_GIB = 0.3 * 40


@pytest.mark.full
@pytest.mark.parametrize("name", ["self_qwen7b", "self_qwen1_5b", "self_llama3b", "nsr_qwen3_4b"])
def test_published_shapes(tmp_path: Path, name: str):
    """The engine holds a context as long as the run needs, not 131,072 tokens because the model could: one layer, with
    its part of the cache, which is what vLLM checks, and a small vocabulary."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [f"experiment={name}", f"paths.cache_dir={tmp_path}", "paths.run_dir=x"])
    source = instantiate(cfg.data)
    config = instantiate(cfg.model).config(source)
    longest = min(cfg.data.max_prompt_tokens + sampling_of(cfg, source).max_new_tokens, context_of(cfg, config))
    per_layer = CACHE_GIB / config.num_hidden_layers
    config.num_hidden_layers, config.vocab_size = 1, 256
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:1]
    config.bos_token_id = config.eos_token_id = config.pad_token_id = 0
    policy = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    tokenizer = type("Tokenizer", (), {"eos_token_id": 0})
    host = Host(policy, tokenizer, lambda: named_weights(policy), torch.device("cpu"))
    engine = sized_engine(cfg, longest, kv_cache_gib=per_layer).build(host)
    try:
        assert engine.llm.llm_engine.model_config.max_model_len == longest == 1024 + cfg.rollout.sampling.max_new_tokens
        engine.sync(0)
    finally:
        engine.close()


def test_fingerprints_are_exact_in_any_order():
    """The same with any number of threads, another for other numbers, places, types and names."""
    weights = {"a": torch.randn(300, 70), "b": torch.randn(5)}
    before = torch.get_num_threads()
    seen = set()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        seen.add(fingerprint(weights.items()))
    torch.set_num_threads(before)
    assert len(seen) == 1
    swapped = weights["a"].clone()
    swapped[[0, 1]] = swapped[[1, 0]]
    nudged = weights["a"].clone()
    nudged[299, 69] = torch.nextafter(nudged[299, 69], torch.tensor(9.0))
    others = [
        {**weights, "a": swapped},
        {**weights, "a": nudged},
        {**weights, "b": weights["b"].half()},
        {"a": weights["a"], "c": weights["b"]},
        {**weights, "b": weights["b"][None]},
    ]
    found = [fingerprint(other.items()) for other in others]
    assert len({*seen, *found}) == 1 + len(others)
