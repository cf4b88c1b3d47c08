"""A policy taught on a GPU, before the run needs its memory."""

from pathlib import Path

import pytest
import torch

from rlvr.data import Countdown
from rlvr.models import PretrainedPolicy, TaughtPolicy, WarmStartedPolicy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SIZE = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
}


def test_it_is_taught_there_and_leaves_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On this rank's device, in fp32 on disk."""
    last = torch.cuda.device_count() - 1
    monkeypatch.setenv("LOCAL_RANK", str(last))
    task = Countdown(3, 10, 99, 4, 4, 0)
    numbers = {"steps": 3, "batch_size": 4, "lr": 1e-3, "warmup_steps": 1, "clip": 1.0}
    scratch = WarmStartedPolicy(**numbers, architecture="qwen2", size=SIZE, betas=(0.9, 0.9))
    base = PretrainedPolicy(scratch.checkpoint(task, 0, tmp_path).name, None)
    before = torch.cuda.memory_allocated(last)
    policy, _ = TaughtPolicy(**numbers, base=base).load(task, 0, tmp_path, None)
    assert policy.dtype == torch.float32
    assert torch.cuda.memory_allocated(last) == before
