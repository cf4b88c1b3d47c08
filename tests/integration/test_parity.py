"""Two ranks on the CPU (gloo), each a process of its own with a real vLLM engine and, for ZeRO, the real DeepSpeed."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from rlvr.eval import RunRecord, sample_file

pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

SMALL = ["debug=quick", "model.steps=20", "data.train_size=64", "data.heldout_size=16"]
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


def launch(cfg, folder: Path, overrides: list[str], ranks: int = 2) -> list[list[dict]]:
    """What each rank saw, step by step."""
    paths = [f"paths.{name}={cfg.paths[name]}" for name in ("cache_dir", "log_dir", "run_dir")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    script = str(Path(__file__).with_name("rank.py"))
    done = subprocess.run(
        [*command, script, str(folder), *SMALL, *paths, *overrides], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(ranks)]


DDP = ["+trainer.strategy._target_=device_only.DeviceOnlyDDP"]  # as NCCL, it takes no tensors on CPUs
ZERO3 = ["trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]


@pytest.mark.parametrize(
    "overrides",
    [
        DDP,
        [*DDP, "rollout.engine.tensor_parallel_size=2"],
        [*ZERO3, "rollout.engine.tensor_parallel_size=2"],
        [*ZERO3, "lora=rank16", "optimizer.lr=0.01"],
    ],
    ids=["an engine each", "one engine over both", "one engine over ZeRO-3 shards", "adapters beside ZeRO-3 shards"],
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


# Plain gradient descent, clipped: Adam would blow up rounding where a gradient is nearly 0.
PARITY = [
    *(
        "rollout=vllm",
        "rollout.engine.kv_cache_gib=0.25",
        "rollout.engine.max_num_seqs=64",
        "algo=bbg",
        "algo/filter=self",
    ),
    *("model.steps=700", "trainer.max_steps=5", "eval.every_n_steps=100", "warmup_steps=0"),
    *("~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.02"),
]
ONE = ["trainer.devices=1"]
WAYS = {
    "1 process": (1, ONE),
    "DDP x 2": (2, ["trainer.devices=2", *DDP]),
    "ZeRO-2 x 2": (2, [override.replace("zero3", "zero2") for override in ZERO3]),
    "ZeRO-3 x 2": (2, ZERO3),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Filled by the first way that runs: one process, no accumulation."""
    return {}


@pytest.mark.parametrize("tokens", [4096, 40], ids=["1 micro-batch", "4 and more"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_takes_the_same_steps(quick, tmp_path: Path, reference: dict, way: str, tokens: int):
    """Five steps: the same problems and texts, weights equal to 1e-5 and the same evaluation, however it is shared."""
    ranks, overrides = WAYS[way]
    cfg = quick()
    seen = launch(cfg, tmp_path, [*PARITY, *overrides, f"batch.micro_batch_tokens={tokens}"], ranks)
    counts = [step["micro_batches"] for step in seen[0]]
    assert set(counts) == {1} if tokens == 4096 else max(counts) >= 4
    texts = [
        sorted(text for steps in seen for step in steps if step["version"] == version for text in set(step["texts"]))
        for version in range(5)
    ]
    weights = torch.load(tmp_path / "rank0.pt")
    results = RunRecord.read(Path(cfg.paths.run_dir)).splits["heldout"].trained
    kept = pq.read_table(sample_file(Path(cfg.paths.run_dir), "heldout", "trained"))
    assert tuple(kept["problem_id"].to_pylist()) == tuple(id_ for id_ in results.problem_ids for _ in range(results.n))
    assert kept["status"].to_pylist().count("right") == sum(results.correct)
    if not reference:
        assert (way, tokens) == ("1 process", 4096)
        reference |= {"texts": texts, "weights": weights, "grad_norms": [step["grad_norm"] for step in seen[0]]}
        reference |= {"results": results, "kept": kept, "metrics": [step["metrics"] for step in seen[0]]}
        assert max(reference["grad_norms"]) > 1  # clipped
    assert [set(some) for some in texts] == [set(some) for some in reference["texts"]]
    assert (results.problem_ids, results.correct) == (reference["results"].problem_ids, reference["results"].correct)
    assert kept["text"].equals(reference["kept"]["text"])
    for steps in seen:
        assert [step["metrics"] for step in steps] == [pytest.approx(step) for step in reference["metrics"]]
    # Clipping would hide a wrong factor in the weights, not in the norm from before it.
    assert [step["grad_norm"] for step in seen[0]] == pytest.approx(reference["grad_norms"], rel=1e-4)
    assert float((weights - reference["weights"]).abs().max()) < 1e-5
