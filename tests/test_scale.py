"""The benchmark of the host's work at scale, at a small size."""

import pytest

from benchmarks.scale import PHASES, Size, measure


@pytest.mark.full
def test_a_small_step_on_two_ranks():
    """Every phase is timed on real processes that exchange their samples; rows have hardly any padding."""
    figures = measure(Size(problems=16, ranks=2))
    assert {*PHASES, "memory", "tokens", "padding", "attention", "parts"} == set(figures)
    assert all(figures[name] > 0 for name in PHASES)
    assert 16 * 8 * 200 <= figures["tokens"] <= 16 * 8 * 3072
    assert 0 <= figures["padding"] < 0.05
