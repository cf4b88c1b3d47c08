"""Sweeps as they are used: a job that dies, a second try, Ctrl-C, policies that are not there, a search."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from rlvr.eval import RunRecord
from rlvr.sweep import Job
from rlvr.sweep.job import sentence
from rlvr.sweep.run import shares

ROOT = Path(__file__).parents[2]
SMALL = ["debug=quick", "model.steps=20", "data.train_size=64", "data.heldout_size=16"]


def command(cache: Path, folder: Path, *overrides: str, script: str = "train.py") -> list[str]:
    paths = [f"paths.cache_dir={cache}", f"paths.log_dir={folder}", f"hydra.sweep.dir={folder}/sweep"]
    return [sys.executable, str(ROOT / "src" / script), "-m", *overrides, *paths]


def jobs_of(folder: Path) -> list[dict]:
    try:
        return json.loads((folder / "sweep" / "jobs.json").read_text())
    except FileNotFoundError:
        return []


def wait_for(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def one_killed(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str, int]:
    """A sweep of two methods of which the second one's process is killed: folder, command, output, exit code."""
    folder = tmp_path_factory.mktemp("killed")
    arguments = command(cache_dir, folder, "algo=grpo,self", *SMALL)
    sweep = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    wait_for(lambda: [job["state"] for job in jobs_of(folder)] == ["done", "running"], sweep)
    os.kill(jobs_of(folder)[1]["pid"], signal.SIGKILL)
    said, _ = sweep.communicate(timeout=120)
    return folder, arguments, said, sweep.returncode


@pytest.mark.full
def test_a_failed_job_leaves_the_others(one_killed):
    """Their joint table, a line about the failed one after it, and an exit code that says so."""
    folder, _, said, exit_code = one_killed
    assert exit_code == 3, said
    assert "GRPO - base" in said
    assert "SELF - base" not in said
    last = [line for line in said.splitlines() if line.startswith("Failed: ")]
    assert len(last) == 1
    assert last[0].startswith("Failed: 1_self+grpo_seed0 (algo=self debug=quick")
    assert last[0].endswith(f": ended by SIGKILL (Log: {folder}/sweep/1_self+grpo_seed0/train.log)")
    assert said.index("GRPO - base") < said.index("Failed: ")
    pids = [job["pid"] for job in jobs_of(folder)]
    assert len(set(pids)) == 2
    assert "step     3" in (folder / "sweep" / "0_none+grpo_seed0" / "train.log").read_text()


@pytest.mark.full
def test_a_rerun_skips_the_finished_and_repairs_the_failed(one_killed):
    """The same command: one job is left as it is, the other runs."""
    folder, arguments, _, _ = one_killed
    finished = folder / "sweep" / "0_none+grpo_seed0"
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [job["state"] for job in jobs_of(folder)] == ["skipped", "done"]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before
    assert "SELF - GRPO" in again.stdout
    assert (folder / "sweep" / "1_self+grpo_seed0" / "train.log").read_text().count("ckpt_path=last") == 1


@pytest.mark.full
@pytest.mark.full
def test_results_of_other_settings_are_not_taken_for_these(one_killed):
    """A folder that holds another run is refused by name; the same settings are not."""
    folder = one_killed[0]
    same = tuple(yaml.safe_load((folder / "sweep" / "0_none+grpo_seed0" / ".hydra" / "overrides.yaml").read_text()))
    finished = folder / "sweep" / "0_none+grpo_seed0"
    assert Job("", same, finished, (), True).conflict() is None
    fault = Job("", (*same, "optimizer.lr=1"), finished, (), True).conflict()
    assert fault is not None
    assert f"{finished} holds a run of fewer overrides instead of optimizer.lr=1;" in fault


@pytest.mark.full
def test_ctrl_c_reaches_every_job(cache_dir: Path, tmp_path: Path):
    """Two jobs at a time in processes of their own: both end, the third never starts, exit code 130."""
    overrides = ["seed=0,1,2", "algo=nsr", *SMALL, "trainer.max_steps=100000", "eval.every_n_steps=100000"]
    arguments = command(cache_dir, tmp_path, *overrides, "hydra.launcher.jobs=2")
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # ignored where tests run behind &
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    sweep = subprocess.Popen(arguments, cwd=ROOT, **output, **listening)

    def both_train() -> bool:
        files = [Path(job["log"]).with_name(".progress.json") for job in jobs_of(tmp_path)[:2]]
        return len(files) == 2 and all(file.exists() and '"Training"' in file.read_text() for file in files)

    wait_for(both_train, sweep)
    first, second, third = jobs_of(tmp_path)
    assert len({first["pid"], second["pid"], sweep.pid}) == 3
    assert third["pid"] is None
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 130, said
    assert [job["state"] for job in jobs_of(tmp_path)] == ["stopped", "stopped", "waiting"]
    # The terminal may break the line where the path is long.
    assert f"The same command with hydra.sweep.dir={tmp_path}/sweep goes on." in " ".join(said.split())
    for job in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(job["pid"], 0)


@pytest.mark.full
def test_one_policy_that_is_not_there(one_killed, cache_dir: Path, tmp_path: Path):
    """A sweep of evaluations shows the policy that is, and names the other with its own sentence."""
    there = one_killed[0] / "sweep" / "0_none+grpo_seed0" / "policy"
    model = ["model=pretrained", f"model.name=nowhere/none,{there}"]
    small = ["eval.n=4", "data.heldout_size=8"]
    arguments = command(cache_dir, tmp_path, *model, *small, script="eval.py")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    made = subprocess.run(arguments, capture_output=True, text=True, timeout=300, cwd=ROOT, env=offline)
    assert made.returncode == 3, made.stdout + made.stderr
    assert "| 0_none+grpo_seed0, pass@k |" in (tmp_path / "sweep" / "evaluation.md").read_text()
    assert "Failed: 0 (model=pretrained model.name=nowhere/none" in made.stdout
    assert "): model.name=nowhere/none: no such folder" in made.stdout


@pytest.mark.full
def test_a_search_gets_what_its_jobs_found(cache_dir: Path, tmp_path: Path):
    """Optuna, one trial: the value it keeps is the run's held-out Pass@k."""
    search = ["hparams_search=lr", "objective=2", "hydra.sweeper.n_trials=1", *SMALL]
    arguments = command(cache_dir, tmp_path, *search)
    made = subprocess.run(arguments, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert made.returncode == 0, made.stdout + made.stderr
    found = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    record = RunRecord.read(tmp_path / "sweep" / "0_self+grpo_seed0")
    assert record.splits["heldout"].trained is not None
    assert found["best_value"] == record.splits["heldout"].trained.pass_at(2)
    assert 2e-5 <= found["best_params"]["optimizer.lr"] <= 4e-4


@pytest.mark.parametrize(
    ("output", "exit_code", "said"),
    [
        ("a\nError: batch.group_size=1: loss grpo compares.\nmore\n", 2, "batch.group_size=1: loss"),
        ("Traceback (most recent call last):\n  x = 1\ntorch.OutOfMemoryError: no room\n\nbye\n", 1, "torch.OutOf"),
        ("loading\nstrange\n", 5, "strange"),
        ("", 5, "exit code 5"),
        ("Error: one\n", -9, "ended by SIGKILL"),
    ],
)
def test_why_a_job_failed(output: str, exit_code: int, said: str):
    """One sentence, from whatever is there."""
    assert sentence(output, exit_code).startswith(said)
    assert "\n" not in sentence(output, exit_code)


def test_jobs_share_the_machine_evenly(monkeypatch: pytest.MonkeyPatch):
    """A job alone has everything; two have half the visible GPUs each, and no GPU twice."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,5,7,9")
    assert shares(1) == [{}]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares(2)] == ["0,2", "5,7"]
    assert [share["OMP_NUM_THREADS"] for share in shares(2)] == [str(max(len(os.sched_getaffinity(0)) // 2, 1))] * 2
    assert all("CUDA_VISIBLE_DEVICES" not in share for share in shares(6))


def test_the_slurm_launcher_composes():
    """Our settings over the plug-in's."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        launcher = compose("train", ["hydra/launcher=slurm"], return_hydra_config=True).hydra.launcher
    assert launcher._target_.endswith("submitit_launcher.SlurmLauncher")
    assert launcher.signal_delay_s == 300
