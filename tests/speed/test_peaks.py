"""Peaks: by name, and as a product shows."""

import pytest
import torch

from rlvr.speed.peaks import compute_dtype, listed_peak, measured_flops, peak_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "bf16", "fp32"),
    [
        ("NVIDIA H100 80GB HBM3", 989, 67),
        ("NVIDIA H100 PCIe", 756, 51),
        ("NVIDIA H200", 989, 67),
        ("NVIDIA L40S", 362, 91.6),
        ("NVIDIA L4", 121, 30.3),
        ("NVIDIA A100-SXM4-40GB", 312, 19.5),
        ("NVIDIA A10G", 70, 35),
        ("NVIDIA GH200 480GB", 989, 67),
        ("NVIDIA GeForce RTX 4090", 165.2, 82.6),
    ],
)
def test_peaks_by_name(device: str, bf16: float, fp32: float):
    found = [listed_peak(device, dtype) for dtype in (torch.bfloat16, torch.float32)]
    assert [peak.flops for peak in found if peak] == pytest.approx([1e12 * bf16, 1e12 * fp32])


def test_of_two_memories_the_name_says_which():
    """The A100 of 80 GB is faster at reading than that of 40."""
    names = ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB")
    small, large = (listed_peak(name, torch.bfloat16) for name in names)
    assert [peak.bandwidth for peak in (small, large) if peak] == pytest.approx([1.555e12, 2.039e12])


def test_what_is_not_listed():
    assert listed_peak("NVIDIA Unheard Of", torch.bfloat16) is None
    assert listed_peak("NVIDIA H100", torch.float16) is None


def test_a_cpu_is_timed_once_and_draws_nothing():
    """The run's random numbers are its own."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    peak = peak_of(CPU, torch.float32)
    assert peak.flops > 1e8  # any processor of this century
    assert peak.bandwidth is None
    assert "timed here" in peak.said_by
    assert torch.equal(torch.get_rng_state(), before)
    assert measured_flops(CPU, torch.float32) == peak.flops


def test_a_gpu_that_is_listed_is_not_timed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    peak = peak_of(torch.device("cuda", 0), torch.bfloat16)
    assert (peak.flops, peak.bandwidth, peak.said_by) == (989e12, 4.8e12, "listed for NVIDIA H200")


def test_types_of_precisions():
    found = [compute_dtype(name) for name in ("32-true", "bf16-mixed", "bf16-true")]
    assert found == [torch.float32, torch.bfloat16, torch.bfloat16]
