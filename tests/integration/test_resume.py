"""A run that is killed again and again ends as the one that was not: weights to the bit, metrics, texts."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import forkserver
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
STEPS = 40
RUN = [
    *("debug=quick", "algo=self", "model.steps=300", "data.train_size=64", "data.heldout_size=16"),
    *(f"trainer.max_steps={STEPS}", "batch.problems_per_step=16", "eval.every_n_steps=10"),
    "callbacks.checkpoint.every_n_rollouts=3",
]
VLLM = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"]
TWO_RANKS = [
    *("trainer=deepspeed_zero2", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"),
    "algo=nsr",
]
# A reference that follows, and answers of a base that is gone by then.
REFERENCE = [
    *("algo=self_kl", "algo/auxiliary=kl", "algo.auxiliary.kl.coefficient=0.1"),
    "algo.auxiliary.kl.reset_every_n_steps=7",
]
SHARDED = [
    *("trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"),
    *("algo=grpo_kl", "algo.auxiliary.kl.coefficient=0.1"),
]
REMEMBERS = ["algo=w_reinforce", "algo/filter=bbg_posterior", "algo.filter.weighting=share", "algo.filter.discount=0.9"]


def command(folder: Path, name: str, *overrides: str) -> list[str]:
    paths = [f"paths.log_dir={folder}", f"hydra.run.dir={folder / name}"]
    return [sys.executable, str(ROOT / "src" / "train.py"), *RUN, *paths, *overrides]


def finish(folder: Path, name: str, *overrides: str, real: bool = False) -> str:
    """Until the run has ended; `real` starts an interpreter for it, whose sets of texts have an order of their own."""
    line = command(folder, name, *overrides)
    if real:
        done = subprocess.run(line, capture_output=True, text=True, timeout=400)
    else:
        done = forkserver.run(line, timeout=400)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def last_step(run: Path) -> int:
    path = run / "metrics.csv"
    lines = path.read_text().splitlines() if path.exists() else []
    return int(lines[-1].split(",")[0]) if len(lines) > 1 and lines[-1].split(",")[0].isdigit() else 0


def kill_at(folder: Path, name: str, step: int, delay_s: float, *overrides: str) -> None:
    """Start, wait until this optimizer step is logged and a moment longer, and kill with all its children."""
    before = last_step(folder / name)
    with (folder / f"{name}.txt").open("a") as log:
        line = command(folder, name, *overrides)
        process = forkserver.start(line, stdout=log, stderr=log, start_new_session=True)
    written = time.time()
    while True:
        path = folder / name / "metrics.csv"
        fresh = path.exists() and path.stat().st_mtime > written  # not the rows of the process before
        if fresh and last_step(folder / name) >= max(step, 1):
            break
        assert process.poll() is None, (folder / f"{name}.txt").read_text()[-3000:]
        assert time.time() - written < 200, f"no step {step} after {before}"
        time.sleep(0.002)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def metrics(run: Path) -> list[dict[str, str]]:
    """All rows, less what a clock says."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if not k.startswith(("time/", "speed/"))} for row in csv.DictReader(file)]


def texts(run: Path) -> list[dict]:
    rows = pq.read_table(run / "samples.parquet").to_pylist()
    return sorted(rows, key=lambda row: (row["version"], row["problem_id"]))


@pytest.mark.parametrize(
    ("overrides", "kills"),
    [
        pytest.param([], 2, id="hf"),
        pytest.param([], 10, id="hf, ten", marks=pytest.mark.slow),
        pytest.param(["eval.cross=true"], 2, id="samples under both policies", marks=pytest.mark.full),
        pytest.param([*TWO_RANKS, "eval.cross=true"], 2, id="the same on two ranks", marks=pytest.mark.full),
        pytest.param(REMEMBERS, 2, id="a filter that remembers", marks=pytest.mark.full),
        pytest.param(VLLM, 2, id="vllm", marks=pytest.mark.full),
        pytest.param(TWO_RANKS, 2, id="zero2 on two ranks", marks=pytest.mark.full),
        pytest.param(REFERENCE, 2, id="reference and stored answers", marks=pytest.mark.full),
        pytest.param([*TWO_RANKS, *REFERENCE], 2, id="these on two ranks", marks=pytest.mark.full),
        pytest.param([*VLLM, *SHARDED], 2, id="a reference in shards", marks=pytest.mark.slow),
        pytest.param(VLLM, 10, id="vllm, ten", marks=pytest.mark.slow),
        pytest.param(TWO_RANKS, 10, id="zero2 on two ranks, ten", marks=pytest.mark.slow),
    ],
)
def test_kills_change_nothing(tmp_path: Path, overrides: list[str], kills: int):
    """SIGKILL at random moments, one of them in the last evaluation."""
    if VLLM[0] in overrides:
        pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    finish(tmp_path, "whole", *overrides, real=True)
    chance = random.Random(6)
    moments = [*sorted(chance.randrange(1, STEPS) for _ in range(kills - 1)), STEPS]
    for step in moments:
        kill_at(tmp_path, "killed", step, chance.uniform(0, 0.1), *overrides, "ckpt_path=last")
    assert "Going on from" in finish(tmp_path, "killed", *overrides, "ckpt_path=last")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    name = "policy/model.safetensors"
    assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert metrics(whole) == metrics(killed)
    assert len(metrics(whole)) >= STEPS
    assert texts(whole) == texts(killed)
    assert (whole / "pass_at_k.json").read_text() == (killed / "pass_at_k.json").read_text()
    for crossed in ("cross.json", "evaluations/heldout-cross.parquet") if "eval.cross=true" in overrides else ():
        assert (whole / crossed).read_bytes() == (killed / crossed).read_bytes()
    assert "This run is finished" in finish(tmp_path, "killed", *overrides, "ckpt_path=last")
