"""A checkpoint, of one process or in shards, as a folder that plain transformers loads."""

import subprocess
import sys
from pathlib import Path

import forkserver
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).parents[2]
RUN = [
    *("debug=quick", "algo=nsr", "model.steps=20", "data.train_size=64", "data.heldout_size=16"),
    *("trainer.max_steps=4", "callbacks.checkpoint.every_n_rollouts=1"),
]
CPU = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]
KINDS = {
    "one process": [],
    "LoRA": ["lora=rank16"],
    "ZeRO-2": ["trainer=deepspeed_zero2", *CPU],
    "ZeRO-3": [
        *("trainer=deepspeed_zero3", *CPU, "rollout=vllm", "rollout.engine.kv_cache_gib=0.25"),
        "rollout.engine.max_num_seqs=64",
    ],
    "a reference beside it": ["algo/auxiliary=kl"],
    "a reference beside it, ZeRO-2": ["algo/auxiliary=kl", "trainer=deepspeed_zero2", *CPU],
}


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "src" / script), *arguments]
    return forkserver.run(command, timeout=400)


@pytest.mark.parametrize(
    "kind", ["one process", *(pytest.param(kind, marks=pytest.mark.full) for kind in list(KINDS)[1:])]
)
def test_a_checkpoint_becomes_the_policy_that_a_run_of_as_many_steps_saves(tmp_path: Path, kind: str):
    """The last checkpoint of four steps is of the third: its export is what a run of three ends with."""
    if kind == "ZeRO-3":
        pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    paths = [f"paths.log_dir={tmp_path}", f"hydra.run.dir={tmp_path / 'run'}"]
    done = run("train.py", *RUN, *KINDS[kind], *paths)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    short = [f"paths.log_dir={tmp_path}", f"hydra.run.dir={tmp_path / 'short'}", "trainer.max_steps=3"]
    assert run("train.py", *RUN, *KINDS[kind], *short).returncode == 0
    output = tmp_path / "exported"
    checkpoint = tmp_path / "run" / "checkpoints" / "step-3"
    done = run("export.py", f"checkpoint={checkpoint}", f"output={output}")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    exported, saved = (AutoModelForCausalLM.from_pretrained(path) for path in (output, tmp_path / "short" / "policy"))
    for (name, tensor), other in zip(exported.state_dict().items(), saved.state_dict().values(), strict=True):
        assert torch.equal(tensor, other), name
    assert len(AutoTokenizer.from_pretrained(output)) == 16


def test_bad_input_is_refused(tmp_path: Path):
    """A folder that is no checkpoint, in one sentence."""
    done = run("export.py", f"checkpoint={tmp_path}", f"output={tmp_path / 'out'}")
    assert done.returncode == 2
    assert "manifest.json can't be read" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr


def test_deepspeeds_shards_run_no_code(tmp_path: Path):
    """DeepSpeed itself would unpickle them."""
    from rlvr.strategy.deepspeed import plain_values

    pytest.importorskip("deepspeed")

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"evil": Evil()}, tmp_path / "shard.pt")
    with plain_values(), pytest.raises(Exception, match="weights_only"):
        torch.load(tmp_path / "shard.pt", weights_only=False)
    assert not (tmp_path / "ran").exists()
