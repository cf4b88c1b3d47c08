"""A policy taught on a GPU, before the run needs its memory."""

from pathlib import Path

import pytest
import torch

from rlvr.data import Countdown
from rlvr.models import PretrainedPolicy, TaughtPolicy, WarmStartedPolicy, underway
from rlvr.models.taught import imitation_loss

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


def test_a_killed_teaching_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The fused optimizer's moments and its count of steps are back on the device, and the weights are the same."""
    monkeypatch.setattr(underway, "EVERY_S", 0.0)
    monkeypatch.setattr(underway, "SHARE", float("inf"))
    task = Countdown(3, 10, 99, 4, 4, 0)
    numbers = {"steps": 6, "batch_size": 4, "lr": 1e-3, "warmup_steps": 1, "clip": 1.0}
    scratch = WarmStartedPolicy(**numbers, architecture="qwen2", size=SIZE, betas=(0.9, 0.9))
    taught = TaughtPolicy(**numbers, base=PretrainedPolicy(scratch.checkpoint(task, 0, tmp_path).name, None))
    whole, _ = taught.load(task, 0, tmp_path / "whole", None)
    losses = []

    def loss(*args):
        losses.append(imitation_loss(*args))
        if len(losses) == 4:
            raise KeyboardInterrupt
        return losses[-1]

    monkeypatch.setattr("rlvr.models.taught.imitation_loss", loss)
    with pytest.raises(KeyboardInterrupt):
        taught.checkpoint(task, 0, tmp_path / "cache")
    again, _ = taught.load(task, 0, tmp_path / "cache", None)
    assert len(losses) == 7
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)


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
