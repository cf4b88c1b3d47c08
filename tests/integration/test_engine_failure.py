"""An engine that dies in the middle of a run: one sentence, and the last checkpoint goes on from there."""

import sys
from pathlib import Path

import forkserver
import pytest

from rlvr.build import build
from rlvr.checkpoint import CheckpointStore
from rlvr.rollout import EngineError

vllm = pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

ROOT = Path(__file__).parents[2]
RUN = [
    *("rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64", "algo=nsr"),
    *("callbacks.checkpoint.every_n_rollouts=1", "trainer.max_steps=4", "model.steps=150"),
]


@pytest.mark.full
def test_a_run_goes_on_from_the_checkpoint_before(quick, monkeypatch):
    """The first decoding step with the weights of step 2 fails; what the checkpoint lacks follows."""
    cfg = quick(*RUN)
    honest = vllm.VLLMEngine._run

    def dies(engine, *arguments):
        if engine.version == 2:
            monkeypatch.setattr(engine.llm.llm_engine, "step", lambda: (_ for _ in ()).throw(MemoryError("no blocks")))
        return honest(engine, *arguments)

    monkeypatch.setattr(vllm.VLLMEngine, "_run", dies)
    run = build(cfg)
    try:
        with pytest.raises(
            EngineError, match=r"at policy version 2 failed: MemoryError: no blocks\. Checkpoints written"
        ):
            run.trainer.fit(run.module, datamodule=run.data)
    finally:
        run.data.teardown("fit")
    monkeypatch.undo()
    again = build(quick(*RUN))
    checkpoint = CheckpointStore(Path(cfg.paths.run_dir) / "checkpoints").newest()[0]
    again.trainer.fit(again.module, datamodule=again.data, ckpt_path=checkpoint, weights_only=True)
    assert again.trainer.global_step == 4


@pytest.mark.full
def test_the_command_ends_with_a_sentence_and_keeps_the_trace(tmp_path: Path):
    """Sequences longer than the policy's context, which vLLM alone refuses; a cache without room is refused before."""
    overrides = ["debug=quick", "model.steps=20", "rollout=vllm", "rollout.engine.max_model_len=1000"]
    folders = [f"paths.log_dir={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    command = [sys.executable, str(ROOT / "src" / "train.py"), *overrides, *folders]
    done = forkserver.run(command, timeout=200)
    assert done.returncode == 3, done.stderr[-2000:]
    said = " ".join(done.stdout.split())
    assert "Error: vLLM could not be built for this policy with rollout.engine.max_model_len=" in said
    assert "Traceback" not in done.stdout + done.stderr
    assert "Traceback" in (tmp_path / "run" / "error.txt").read_text()
