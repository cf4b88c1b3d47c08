"""Building, failing and closing a vLLM engine: no traces in the process, one sentence for each failure."""

import gc
import os
import random
import subprocess
import sys
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from engines import TEN, build, largest_difference, problems, tiny
from torch import distributed as dist

from rlvr.rollout import EngineError, StaleEngineError, named_weights


@pytest.mark.full
def test_building_leaves_the_process_as_it_was_and_closing_frees_the_model():
    """Random states, threads and launcher's variables; then the model itself."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    policy = tiny()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    setter = torch.set_num_threads
    engine = build(policy)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    assert torch.set_num_threads is setter
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert "RANK" not in os.environ
    model = weakref.ref(engine.llm.llm_engine.model_executor.driver_worker.worker.model_runner.model)
    engine.close()
    del engine
    gc.collect()
    assert model() is None
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kv_cache_gib": 1e-6}, "kv_cache_gib=1e-06: ValueError: No available memory"),
        ({"max_model_len": 4096}, "max_model_len=4096"),
    ],
    ids=["no room for the cache", "context longer than the policy's"],
)
def test_what_vllm_refuses_is_said_in_one_sentence(settings, words):
    """With vLLM's own reason."""
    with pytest.raises(EngineError, match="could not be built for this policy") as caught:
        build(tiny(), **settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not dist.is_initialized()


def test_a_hanging_step_ends_the_process():
    """A call that never returns can't be interrupted from inside: the watchdog says what it was and exits."""
    code = (
        "import time; from rlvr.rollout.watchdog import Watchdog\n"
        "with Watchdog(0.5, 'a decoding step'):\n    time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 70
    assert "no progress for 0 s in a decoding step" in done.stderr
    assert "time.sleep" in done.stderr or "line 3" in done.stderr  # where it hung


@pytest.fixture(scope="module")
def adapted() -> Iterator[tuple]:
    """A policy under adapters, and an engine for it: last in this module, whose other tests want no engine beside."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
    policy = peft.get_peft_model(tiny(), config)
    engine = build(policy)
    yield policy, engine
    engine.close()


def test_lora_is_merged(adapted):
    """The engine samples from base plus adapters, and the base stays as it is to the bit."""
    policy, engine = adapted
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    engine.sync(0)
    assert largest_difference(policy, engine.generate(problems(), 4, TEN, 0, 0)) < 1e-4
    assert all(torch.equal(tensor, before[name]) for name, tensor in policy.state_dict().items())


def test_a_failed_copy_leaves_no_version(adapted):
    """Half-copied weights must not pass for a policy; vLLM can't go on from there, and the run ends."""
    policy, engine = adapted

    def half():
        yield from list(named_weights(policy))[:3]
        raise RuntimeError("the trainer went away")

    engine.weights = half
    with pytest.raises(EngineError, match="could not take policy version 1: RuntimeError: the trainer went away"):
        engine.sync(1)
    with pytest.raises(StaleEngineError):
        engine.generate(problems(), 1, TEN, 1, 0)
    engine.close()
