"""What a progress bar tells of the time that is left."""

import json
from pathlib import Path

import pytest

from rlvr import console


@pytest.mark.parametrize("step_s", [1.0, 45.0, 600.0])
def test_time_left_is_known_however_long_a_step_is(step_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ten steps, four of them taken: six more of as many seconds. Sweeps read the same number."""
    now, told = [100.0], tmp_path / "progress.json"
    monkeypatch.setattr(console.console, "get_time", lambda: now[0])
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setenv(console.PROGRESS, str(told))
    with console.bar("Training", 10) as progress:
        for _ in range(4):
            now[0] += step_s
            progress.advance()
    assert json.loads(told.read_text())["left_s"] == pytest.approx(6 * step_s)
