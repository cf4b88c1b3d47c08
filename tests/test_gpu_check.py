"""`make gpu-check` on a CPU: its runner on checks that end in every way, its real checks, its files, a bare machine."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from benchmarks.gpu_check import registry
from benchmarks.gpu_check.memory import TOKENS, batch_of, planned_gib
from benchmarks.gpu_check.policies import SHAPES, config_of
from benchmarks.gpu_check.registry import CHECKS, Check
from benchmarks.gpu_check.results import Outcome, Report, anonymous
from benchmarks.gpu_check.runner import ROOT, run_all, run_one
from benchmarks.gpu_check.weights import judged

PASSED = Outcome("a", "what", "passed", "seen | so", 1.5, {"x, nats": 1.23456, "y": "yes"})
FAILED = Outcome("b", "b", "failed", "off by 2", 0.5, {})


# --- the runner, on constructed checks -------------------------------------------------------------------------


def constructed(name: str, budget_s: float = 60, needs: tuple[str, ...] = ()) -> Check:
    return Check(name, name, f"tests.gpu_check_cases:{name}", budget_s, needs)


def alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("passes", "passed", "all well on cpu"),
        ("fails", "failed", "off by 2"),
        ("raises", "failed", "FileNotFoundError: no weights.bin"),
        ("skips", "skipped", "too small"),
        ("dies", "failed", "its process ended with SIGKILL"),
        ("exits", "failed", "its process ended with exit code 7 and no result: said on the way out of secret"),
        ("absent", "failed", "AttributeError: module 'tests.gpu_check_cases' has no attribute 'absent'"),
    ],
)
def test_every_end_is_an_outcome(name: str, status: str, why: str):
    found = run_one(constructed(name), "cpu", 60, 600)
    assert (found.status, found.why) == (status, why)
    assert found.numbers == {"passes": {"x": 1.5}, "fails": {"x": 2.0}}.get(name, {})


@pytest.mark.parametrize(("name", "status"), [("hangs", "failed"), ("leaves", "passed")])
def test_nothing_is_left_behind(tmp_path: Path, monkeypatch, name: str, status: str):
    """A check that is ended, or has ended, takes its grandchildren with it."""
    monkeypatch.setenv("LEFT", str(tmp_path / "left"))
    found = run_one(constructed(name, budget_s=8), "cpu", 600, 600)
    assert found.status == status
    assert found.seconds < 30
    assert name != "hangs" or found.why == "no result within 8 s"
    assert not alive(int((tmp_path / "left").read_text()))


def test_what_is_not_there_skips(monkeypatch):
    monkeypatch.setitem(registry.PACKAGES, "no_such_package", "it is not installed")
    found = run_one(constructed("passes", needs=("no_such_package",)), "cpu", 60, 600)
    assert (found.status, found.why) == ("skipped", "it is not installed")


@pytest.mark.parametrize(("gpus", "cuda", "two"), [(0, "there is no GPU that torch can use", None), (2, None, None)])
def test_devices_that_are_not_there_skip(monkeypatch, gpus: int, cuda: str | None, two: str | None):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert constructed("passes", needs=("cuda",)).lack() == cuda
    assert constructed("passes", needs=("two devices",)).lack() == two
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert constructed("passes", needs=("two devices",)).lack() == "there is one GPU only"


def test_the_total_is_kept_and_failures_stop_nothing():
    """A second check runs after one that fails; a third has no time left and counts as failed."""
    checks = [constructed("fails"), constructed("passes"), constructed("skips")]
    empty = Report("CPU", "2026-11-24", "abc", tuple(Outcome(c.name, c.name, "not run", "", 0.0, {}) for c in checks))
    seen: list[tuple[int, str | None]] = []
    report = run_all(checks[:2], empty, "cpu", 600, lambda now, running: seen.append((now.count("not run"), running)))
    assert [o.status for o in report.outcomes] == ["failed", "passed", "not run"]
    assert seen == [(3, "fails"), (2, None), (2, "passes"), (1, None)]
    report = run_all(checks[2:], report, "cpu", 0, lambda now, running: None)
    assert report.outcomes[2].why == "not started: the 0 s for all checks were used up"
    assert report.outcomes[2].status == "failed"


# --- files ----------------------------------------------------------------------------------------------------


def test_files_say_what_was_found(tmp_path: Path):
    report = Report("NVIDIA H100 80GB HBM3", "2026-11-24", "abc+", (PASSED, FAILED))
    path = report.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"nvidia-h100-80gb-hbm3-2026-11-24.{e}" for e in ("json", "md")
    ]
    assert Report.read(path.with_suffix(".json")) == report
    text = path.read_text()
    assert "1 passed, 1 failed, 0 skipped." in text
    assert "| b | b | failed | off by 2 | 0 |" in text
    assert "| x, nats | 1.23 |" in text
    assert "| a | what | passed | seen / so | 2 |" in text


@pytest.mark.parametrize(
    ("outcomes", "good"),
    [((PASSED,), True), ((PASSED, FAILED), False), ((Outcome("c", "c", "not run", "", 0, {}),), False)],
)
def test_good_is_only_what_ran_and_did_not_fail(outcomes: tuple[Outcome, ...], good: bool):
    assert Report("CPU", "2026-11-24", "abc", outcomes).good is good


def test_nothing_personal(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "lab-17")
    text = "no file /home/jane/x/model.bin on lab-17, ~/runs/a.json; 3/4 of https://a.b/c and and/or"
    assert anonymous(text) == "no file model.bin on host, a.json; 3/4 of https://a.b/c and and/or"


# --- the checks themselves ------------------------------------------------------------------------------------

CHEAP = ["device", "collectives", "attention", "weights", "train"]


@pytest.mark.full
def test_cheap_checks_pass_here_through_the_command(tmp_path: Path):
    """What anybody would type, less what takes minutes."""
    environment = os.environ | {"PYTHONPATH": "src"}
    command = [sys.executable, "-m", "benchmarks.gpu_check", "--out", str(tmp_path), "--only", *CHEAP, "memory"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    report = Report.read(next(tmp_path.glob("*.json")))
    assert {o.name: o.status for o in report.outcomes} == {
        **dict.fromkeys(CHEAP, "passed"),
        "memory": "passed" if torch.cuda.is_available() else "skipped",
    }
    assert not re.search(r"/(home|root|tmp|usr|work)/", next(tmp_path.glob("*.md")).read_text())
    moved = next(o for o in report.outcomes if o.name == "weights").numbers
    assert moved["changed, bf16 weights and plain AdamW (not judged)"] < 0.1  # the fault that the check is for


@pytest.mark.parametrize(("share", "far", "passed"), [(0.999, 0.02, True), (0.005, 0.02, False), (0.999, 0.9, False)])
def test_weights_that_do_not_move_fail(share: float, far: float, passed: bool):
    assert judged({}, {"way": (share, far)}).passed is passed


@pytest.mark.parametrize("name", [c.name for c in CHECKS])
def test_every_check_exists(name: str):
    """Its function is there, and the budgets of the first ones leave room for others."""
    check = next(c for c in CHECKS if c.name == name)
    module, _, function = check.function.partition(":")
    assert (
        f"\ndef {function}(device: torch.device, folder: Path) -> Finding:"
        in (ROOT / (module.replace(".", "/") + ".py")).read_text()
    )
    assert check.budget_s < 300


BARE = ("hydra", "omegaconf", "vllm", "deepspeed", "peft", "math_verify", "latex2sympy2", "datasets", "reasoning_gym")


@pytest.mark.full
def test_a_bare_machine_runs_what_it_can(tmp_path: Path):
    """A Python that sees this environment's packages less those that a GPU machine may lack: nothing fails."""
    site = tmp_path / "site"
    site.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.lower().replace("-", "_").startswith((*BARE, "__editable__")) and entry.suffix != ".pth":
            (site / entry.name).symlink_to(entry)
    python = sys._base_executable  # type: ignore[attr-defined]
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | {"PYTHONPATH": f"src:{site}"}
    absent = f"import importlib.util as u, sys; sys.exit(any(map(u.find_spec, {BARE!r})))"
    if subprocess.run([python, "-c", absent], env=environment).returncode:
        pytest.skip("the Python below this environment has some of these packages itself")
    run, lacking = ["device", "weights", "sample"], ["weights_zero", "engine", "resume", "repeat", "trl"]
    command = [python, "-m", "benchmarks.gpu_check", "--out", str(tmp_path), "--only", *run, *lacking]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    report = Report.read(next(tmp_path.glob("*.json")))
    expected = dict.fromkeys(run, "passed") | dict.fromkeys(lacking, "skipped")
    assert {o.name: o.status for o in report.outcomes} == expected, done.stdout
    assert done.returncode == 0


def test_the_plan_counts_what_the_memory_check_runs():
    """In bf16 less than mixed, and both some GiB; how much it really is only a GPU shows."""
    config = config_of("0.5B")
    batch = batch_of(config)
    half, mixed = (planned_gib(config, batch, half) for half in (True, False))
    assert 0.85 * TOKENS < len(batch.token_N) <= TOKENS
    assert 1 < half < mixed < 10  # GiB


def test_shapes_are_what_they_are_called():
    with torch.device("meta"):
        sizes = {s: AutoModelForCausalLM.from_config(config_of(s)).num_parameters() for s in SHAPES}
    assert sizes["0.5B"] == 494_032_768  # Qwen2.5-0.5B's own
    assert sizes["1.5B"] == 1_543_714_304  # Qwen2.5-1.5B's own
