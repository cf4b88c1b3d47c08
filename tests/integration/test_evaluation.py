"""`src/eval.py` as it is used: killed and started again, on two ranks, on one's own file, over several policies."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forkserver
import pytest
from figures import coloured

ROOT = Path(__file__).parents[2]
MATH = ROOT / "tests" / "data" / "math_problems.jsonl"
SMALL = ["data.heldout_size=40", "eval.n=64", "rollout.engine.max_tokens=2048"]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def command(cache: Path, folder: Path, *overrides: str, launcher: tuple[str, ...] = ()) -> list[str]:
    paths = [f"paths.cache_dir={cache}", f"paths.log_dir={folder}", f"hydra.run.dir={folder}/run"]
    model = [] if any(override.startswith("model=") for override in overrides) else ["model.steps=20"]
    return [sys.executable, *launcher, str(ROOT / "src" / "eval.py"), *SMALL, *model, *paths, *overrides]


def run(*arguments: str, **settings) -> str:
    done = forkserver.run([*arguments], timeout=300, cwd=ROOT, **settings)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def result(folder: Path) -> dict:
    found = json.loads((folder / "run" / "evaluation.json").read_text())
    return {name: value for name, value in found.items() if name != "samples"}


@pytest.fixture(scope="module")
def uninterrupted(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What one evaluation gives."""
    folder = tmp_path_factory.mktemp("whole")
    run(*command(cache_dir, folder))
    return result(folder)


@pytest.mark.parametrize("files", [4, *(pytest.param(files, marks=pytest.mark.full) for files in (1, 8))])
def test_a_killed_evaluation_ends_as_an_uninterrupted_one(cache_dir: Path, tmp_path: Path, uninterrupted, files: int):
    """SIGKILL once so many files of samples are there; the same command goes on from them."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    killed = forkserver.start(command(cache_dir, tmp_path), **quiet)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("samples/*/*.parquet"))) < files and time.monotonic() < deadline:
        assert killed.poll() is None
        time.sleep(0.001)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    left = {path: path.read_bytes() for path in tmp_path.glob("samples/*/*.parquet")}
    assert len(left) >= files
    assert not (tmp_path / "run" / "evaluation.json").exists()
    run(*command(cache_dir, tmp_path))
    assert result(tmp_path) == uninterrupted
    assert all(path.read_bytes() == content for path, content in left.items())


@pytest.mark.full
def test_two_ranks(cache_dir: Path, tmp_path: Path, uninterrupted):
    """Each samples its share, one reports: the same problems, as many samples, other texts."""
    run(*command(cache_dir, tmp_path, launcher=tuple(TORCHRUN)))
    together = result(tmp_path)
    assert sum(together["verdicts"].values()) == 40 * 64
    assert together["evaluation"]["problem_ids"] == uninterrupted["evaluation"]["problem_ids"]
    assert together["evaluation"]["mean_length"] == pytest.approx(uninterrupted["evaluation"]["mean_length"], rel=0.05)


@pytest.mark.full
def test_two_ranks_with_an_engine_each(cache_dir: Path, tmp_path: Path):
    """VLLM's end must not take the process group along, by which the ranks still wait for each other."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    engine = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64", "eval.n=8"]
    run(*(word for word in command(cache_dir, tmp_path, *engine, launcher=tuple(TORCHRUN)) if word != SMALL[2]))
    together = result(tmp_path)
    assert sum(together["verdicts"].values()) == 40 * 8
    assert len(together["evaluation"]["problem_ids"]) == 40


@pytest.mark.full
def test_several_policies_on_one_figure(cache_dir: Path, tmp_path: Path):
    """A multirun ends in a joint table and figure."""
    sweep = [f"hydra.sweep.dir={tmp_path}/sweep", "label=${seed}", "seed=0,1", "-m"]
    said = run(*command(cache_dir, tmp_path, *sweep))
    table = (tmp_path / "sweep" / "evaluation.md").read_text()
    assert "| 0, pass@k |" in table
    assert "| 1, maj@k |" in table
    assert "0, pass@k" in said
    assert coloured(tmp_path / "sweep" / "figures" / "default.png") > 100


@pytest.mark.full
@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["eval.n=0"], "eval.n=0: must be a whole number above 0"),
        (["eval.n=6"], "eval.n=6: must be a power of two"),
        (["eval=files", "eval.path=nowhere.jsonl"], "nowhere.jsonl: there is no such file"),
        (["eval=files", f"eval.path={MATH}", "verifier.box=first"], "verifier.box=first: must be last or any."),
        (["model=pretrained", "model.name=nowhere/none"], "model.name=nowhere/none: no such folder"),
    ],
)
def test_bad_input_is_one_sentence(cache_dir: Path, tmp_path: Path, overrides: list[str], sentence: str):
    """Exit code 2, nothing sampled."""
    # Read while modules are imported: an interpreter of its own for the one that would ask the hub.
    settings = {"env": {**os.environ, "HF_HUB_OFFLINE": "1"}} if "model=pretrained" in overrides else {}
    done = forkserver.run(command(cache_dir, tmp_path, *overrides), timeout=120, cwd=ROOT, **settings)
    assert done.returncode == 2, done.stdout + done.stderr
    assert sentence in " ".join(done.stdout.split())
    assert not (tmp_path / "samples").exists()
