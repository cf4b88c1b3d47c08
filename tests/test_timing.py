"""Seconds by phase."""

import time

import pytest

from rlvr.timing import Stopwatch


def test_phases_inside_phases_add_up_to_the_whole():
    """Each second counts once, also after an error inside."""
    clock, start = Stopwatch(), time.perf_counter()
    with clock.phase("outer"):
        time.sleep(0.02)
        with clock.phase("inner"):
            time.sleep(0.03)
            with clock.phase("innermost"):
                time.sleep(0.01)
        with pytest.raises(KeyError), clock.phase("inner"):
            raise KeyError
        time.sleep(0.02)
    with clock.phase("outer"):
        time.sleep(0.01)
    whole, seconds = time.perf_counter() - start, clock.take()
    assert sum(seconds.values()) == pytest.approx(whole, abs=0.002)
    assert seconds["outer"] >= 0.05
    assert seconds["inner"] >= 0.03
    assert seconds["inner"] < 0.05
    assert clock.take() == {}
