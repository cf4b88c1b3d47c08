"""How long each phase of a step takes, and what goes through the policy in it (see `Passed`)."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from rlvr.speed.flops import Passed


class Stopwatch:
    """Adds up seconds and work by phase until they are taken; a phase inside another is not part of it."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._passed: dict[str, Passed] = defaultdict(Passed)
        self._inside = 0.0  # seconds of the phases that have ended inside the present one

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what runs inside and add it to `name`."""
        start, before, self._inside = time.perf_counter(), self._inside, 0.0
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._seconds[name] += seconds - self._inside
            self._inside = before + seconds

    def add(self, name: str, seconds: float) -> None:
        """Add seconds measured elsewhere."""
        self._seconds[name] += seconds

    def count(self, name: str, passed: Passed) -> None:
        """Add what went through the policy in the phase `name`."""
        self._passed[name] += passed

    def forget(self, name: str) -> None:
        """Leave out what was added to `name` so far."""
        self._seconds.pop(name, None)

    def take(self) -> dict[str, float]:
        """Seconds by phase since the last call."""
        seconds, self._seconds = dict(self._seconds), defaultdict(float)
        return seconds

    def take_passed(self) -> dict[str, Passed]:
        """What went through the policy by phase since the last call."""
        passed, self._passed = dict(self._passed), defaultdict(Passed)
        return passed
