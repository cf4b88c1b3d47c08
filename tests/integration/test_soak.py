"""The soak of `benchmarks/soak.py`, shortened: every fault once, nothing lost."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ["model.steps=100", "data.train_size=64", "data.heldout_size=16", "batch.problems_per_step=16", "eval.n=4"]


@pytest.mark.full
def test_a_short_soak_loses_nothing(tmp_path: Path):
    """Four processes, each ended by another fault; the table says how memory and files went."""
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "0.2", "3", *SMALL, f"paths.cache_dir={tmp_path}"]
    small = ["eval.path_problems=8", "eval.train_problems=8"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing was lost." in done.stdout
    for fault in ("SIGKILL", "flipped byte", "half a row", "SIGTERM"):
        assert fault in done.stdout
