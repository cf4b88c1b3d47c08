"""A tiny policy, a vLLM engine for it, and what the tests of both files ask of them."""

import tempfile
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample
from rlvr.types import Problem

vllm = pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

TOKENIZER = character_tokenizer(CHARACTERS)
TEN = Sampling(max_new_tokens=10)


def tiny(tie: bool = True) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "qwen2",
        vocab_size=16,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=64,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
        initializer_range=0.3,
        tie_word_embeddings=tie,
    )
    return AutoModelForCausalLM.from_config(config)


CACHE = Path(tempfile.mkdtemp(prefix="rlvr-engines-"))  # for all engines of a session


def host(policy) -> Host:
    return Host(policy, TOKENIZER, lambda: named_weights(policy), torch.device("cpu"))


def build(policy, **settings):
    engine = dict(max_model_len=None, kv_cache_gib=0.25, max_num_seqs=64, tensor_parallel_size=1, dtype=None)
    return VLLM(**{**engine, "hang_timeout_s": 60.0, "cache_dir": CACHE, **settings}).build(host(policy))


def problems() -> list[Problem]:
    texts = ["1=", "18873=47:", "5", "123456789=10:", "2:", "77777=1:"]
    return [Problem(text, text, tuple(TOKENIZER(text)["input_ids"]), "") for text in texts]


def nudge(policy: PreTrainedModel) -> None:
    """Stand in for an optimizer step: every weight moves."""
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.1 * torch.randn_like(parameter)


def largest_difference(policy: PreTrainedModel, rollouts_P: list) -> float:
    samples = [TrainingSample(p, r, 0.0, 0.0) for p, rs in zip(problems(), rollouts_P, strict=True) for r in rs]
    batch = packed(samples, version=0)
    with torch.no_grad():
        logp_BT = completion_logps(policy, batch, 1.0).logp_BT
    return float((logp_BT - batch.engine_logp_BT).abs().max())
