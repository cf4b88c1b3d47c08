"""Two ranks on the CPU (gloo), each a process of its own with a real vLLM engine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

TWO_RANKS = [
    *(
        "rollout=vllm",
        "rollout.engine.kv_cache_gib=0.25",
        "rollout.engine.max_num_seqs=64",
        "algo=nsr",
        "algo/filter=self",
    ),
    *("trainer.devices=2", "model.steps=150", "warmup_steps=0"),
]


def launch(cfg, folder: Path, overrides: list[str]) -> list[list[dict]]:
    """What each rank saw, step by step."""
    paths = [f"paths.{name}={cfg.paths[name]}" for name in ("cache_dir", "log_dir", "run_dir")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = str(Path(__file__).with_name("rank.py"))
    done = subprocess.run(
        [*command, script, str(folder), "debug=quick", *paths, *overrides], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


DDP = ["+trainer.strategy=ddp"]
ZERO3 = ["trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]


@pytest.mark.parametrize(
    "overrides",
    [DDP, [*DDP, "rollout.engine.tensor_parallel_size=2"], ZERO3],
    ids=["an engine each", "one engine over both", "ZeRO-3 shards"],
)
def test_two_ranks(quick, tmp_path: Path, overrides: list[str]):
    """Different problems, the same weights, and engines that agree with them to rounding after every sync."""
    ranks = launch(quick("model.steps=150"), tmp_path, [*TWO_RANKS, *overrides])
    for steps in zip(*ranks, strict=True):
        first, second = steps
        assert len(first["problems"]) == len(second["problems"]) == 4
        assert not set(first["problems"]) & set(second["problems"])
        assert first["weights"] == second["weights"]
        assert all(step["mismatch"] < 1e-4 for step in steps)
    assert [step["version"] for step in ranks[0]] == [0, 1, 2]
    assert len({tuple(step["weights"]) for step in ranks[0]}) == 3  # the policy moved
