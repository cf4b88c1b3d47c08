"""Seconds by phase."""

import time

import pytest

from rlvr.timing import Stopwatch


def test_phases_inside_phases_add_up_to_the_whole(monkeypatch):
    """Each second counts once, also after an error inside."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    def fail_after(seconds: float) -> None:
        wait(seconds)
        raise KeyError

    clock = Stopwatch()
    with clock.phase("outer"):
        wait(2)
        with clock.phase("inner"):
            wait(3)
            with clock.phase("innermost"):
                wait(1)
        with pytest.raises(KeyError), clock.phase("inner"):
            fail_after(0.5)
        wait(2)
    with clock.phase("outer"):
        wait(1)
    assert clock.take() == {"outer": 5, "inner": 3.5, "innermost": 1}
    assert clock.take() == {}
