"""At the published learning rate of 1e-6 the weights move, in every precision and strategy, as they do in fp32."""

import sys
from pathlib import Path

import forkserver
import moving
import pytest
import torch

from rlvr.training.precision import UpdateShare, trained_dtype

Numbers = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def twin() -> dict:
    """The same five steps, all in fp32."""
    return moving.train("auto", "32-true", adapters=False)


def moved(seen: dict) -> float:
    pairs = [(seen["before"][name], seen["after"][name]) for name in seen["before"]]
    return sum(int((old != new).sum()) for old, new in pairs) / sum(old.numel() for old, _ in pairs)


def distance(seen: dict, twin: dict) -> float:
    """Between the ways that both have gone, as a part of the twin's."""
    off = way = 0.0
    for name, before in twin["before"].items():
        there, here = twin["after"][name] - before, seen["after"][name] - seen["before"][name]
        off, way = off + float((here - there).square().sum()), way + float(there.square().sum())
    return (off / way) ** 0.5


def test_mixed_precision(twin: dict):
    """As `trainer=gpu` and `ddp` have it: fp32 weights, computed with in bf16."""
    seen = moving.train("auto", "bf16-mixed", adapters=False)
    assert all(tensor.dtype == torch.float32 for tensor in seen["after"].values())
    assert moved(seen) > 0.95
    assert seen["update_share"] > 0.95
    assert distance(seen, twin) < 0.3


def test_adapters():
    """Peft's are fp32 over a base in bf16; B starts at 0, so that only it moves in the first step."""
    pytest.importorskip("peft", reason="peft is not installed: pip install 'rlvr[lora]'")
    seen, exact = (moving.train("auto", precision, adapters=True) for precision in ("bf16-mixed", "32-true"))
    assert all(tensor.dtype == torch.float32 for tensor in seen["after"].values())
    assert moved(seen) > 0.95
    assert distance(seen, exact) < 0.3


WAYS = [
    pytest.param(2, "", id="ZeRO-2"),
    pytest.param(3, "", id="ZeRO-3", marks=pytest.mark.full),
    pytest.param(3, "offload", id="offload", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("stage", "offload"), WAYS)
def test_deepspeed(tmp_path: Path, twin: dict, stage: int, offload: str):
    """bf16 weights beside sharded fp32 copies, on two ranks; RoPE's frequencies stay in fp32."""
    pytest.importorskip("deepspeed", reason="DeepSpeed is not installed: pip install 'rlvr[deepspeed]'")
    out = tmp_path / "seen.pt"
    forkserver.run_ranks([sys.executable, moving.__file__, str(out), str(stage), offload], 2, "plain", timeout=300)
    seen = torch.load(out, weights_only=True)
    assert moved(seen) > 0.95
    assert seen["update_share"] > 0.95
    assert distance(seen, twin) < 0.3
    assert seen["buffers"]
    assert set(seen["buffers"].values()) == {torch.float32}


def test_the_fault_that_this_guards_against(twin: dict, monkeypatch: pytest.MonkeyPatch):
    """bf16 weights without an fp32 copy hardly move, and the metric says so."""
    monkeypatch.setattr(moving, "trained_dtype", lambda *given: torch.bfloat16)
    seen = moving.train("auto", "bf16-mixed", adapters=False)
    assert moved(seen) < 0.1
    assert seen["update_share"] < 0.1


def test_types_by_hand():
    """fp32, but where DeepSpeed keeps a copy, or where the weights are frozen under adapters."""
    cases = {
        ("32-true", False): torch.float32,
        ("32-true", True): torch.float32,
        ("bf16-mixed", False): torch.float32,
        ("bf16-mixed", True): torch.bfloat16,
        ("bf16-true", False): torch.bfloat16,
        ("bf16-true", True): torch.bfloat16,
    }
    assert {case: trained_dtype(*case) for case in cases} == cases


def test_update_share_by_hand():
    """Of five numbers two change, one of them back and forth."""
    first, second = torch.zeros(3), torch.zeros(2, 1)
    updates = UpdateShare([first, second, torch.empty(0)])
    first[1], second[0, 0] = 1.0, -1.0
    assert updates.share() == pytest.approx(2 / 5)
    assert UpdateShare([]).share() == 0.0
