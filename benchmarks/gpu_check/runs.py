"""Checks whole runs of `src/train.py`, each in its own process: killed and resumed, repeated, on two devices."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.gpu_check.results import Finding
from benchmarks.gpu_check.runner import ROOT

SMALL = [
    *("debug=quick", "algo=nsr", "model.steps=20", "data.train_size=64", "data.heldout_size=16"),
    *("rollouts=6", "eval.every_n_steps=100", "callbacks.checkpoint.every_n_rollouts=1"),
]
VLLM = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"]
POLICY = "policy/model.safetensors"


@dataclass
class Run:
    """A run that has been started.

    Attributes:
        folder: Its run folder.
        log: The file with its output.
        process: Its process.
    """

    folder: Path
    log: Path
    process: subprocess.Popen

    @classmethod
    def start(cls, folder: Path, name: str, *overrides: str) -> "Run":
        """Start a run in a run folder of that name. A second start resumes it with `ckpt_path=last`."""
        paths = [f"paths.log_dir={folder}", f"paths.cache_dir={folder / 'cache'}", f"hydra.run.dir={folder / name}"]
        command = [sys.executable, str(ROOT / "src" / "train.py"), *SMALL, *paths, *overrides]
        log = folder / f"{name}.txt"
        with log.open("a") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        return cls(folder / name, log, process)

    def finish(self) -> bytes:
        """Wait for its end, and return its policy.

        Raises:
            RuntimeError: With the last line that it printed, when it fails.
        """
        if code := self.process.wait():
            lines = [line for line in self.log.read_text().splitlines() if line.strip()]
            said = next((line for line in lines[::-1] if "Error" in line), lines[-1] if lines else "nothing")
            raise RuntimeError(f"the run {self.folder.name} ended with {code}: {said.strip()}")
        return (self.folder / POLICY).read_bytes()

    def kill_after(self, step: int) -> int:
        """Kill it as soon as this step is logged, and return the last step that was logged by then.

        Raises:
            RuntimeError: When it ended before.
        """
        while len(self.rows()) < step:
            if self.process.poll() is not None:
                self.finish()
                raise RuntimeError(f"the run {self.folder.name} was over before it could be killed")
            time.sleep(0.005)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return len(self.rows())

    def rows(self) -> list[dict[str, str]]:
        """Steps logged so far."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if row.get("train/lr")]


def resumed(device: torch.device, folder: Path) -> Finding:
    """A run that is killed after its third step and resumed ends with the weights of one that was not killed."""
    settings = [*_trainer(device), "deterministic=true"]
    whole, killed = (Run.start(folder, name, *settings) for name in ("whole", "killed"))
    step = killed.kill_after(3)
    expected = whole.finish()
    again = Run.start(folder, "killed", *settings, "ckpt_path=last")
    same = again.finish() == expected
    went_on = "Going on from" in again.log.read_text()
    why = f"killed at step {step} of 6, same weights to the bit" if same else f"killed at step {step}: other weights"
    if not went_on:
        return Finding(False, "the second start did not go on from a checkpoint", {})
    return Finding(same, why, {"killed at step": step})


def repeated(device: torch.device, folder: Path) -> Finding:
    """Two runs with `deterministic=true` are equal. The difference of two runs without it is reported, not judged."""
    rollout = VLLM if find_spec("vllm") else []
    pairs = {"deterministic": ["deterministic=true"], "plain": []}
    equal = {}
    for name, settings in pairs.items():
        runs = [Run.start(folder, f"{name}-{i}", *_trainer(device), *rollout, *settings) for i in range(2)]
        first, second = (run.finish() for run in runs)
        equal[name] = first == second
    numbers = {
        "rollouts by": "vLLM" if rollout else "transformers",
        "equal with deterministic=true": equal["deterministic"],
        "equal without it (not judged)": equal["plain"],
    }
    said = f"with deterministic=true {_said(equal['deterministic'])}, without it {_said(equal['plain'])}"
    return Finding(equal["deterministic"], said, numbers)


def two_devices(device: torch.device, folder: Path) -> Finding:
    """Sampling, training, evaluation and a checkpoint under DDP and ZeRO-3, engines that follow the policy."""
    ways = {"DDP": ["trainer=ddp"], "ZeRO-3": ["trainer=deepspeed_zero3"]}
    if not find_spec("deepspeed"):
        del ways["ZeRO-3"]
    numbers, bad = {}, []
    for name, overrides in ways.items():
        cpu = [] if device.type == "cuda" else ["trainer.accelerator=cpu", "trainer.precision=32-true"]
        run = Run.start(folder, name, *overrides, *cpu, "trainer.devices=2", *VLLM)
        run.finish()
        numbers[f"{name}: largest mean mismatch, nats"] = max(float(row["mismatch/mean"]) for row in run.rows())
        if len(run.rows()) != 6:
            bad.append(f"{name}: {len(run.rows())} steps of 6")
    return Finding(not bad, "; ".join(bad) or f"{' and '.join(ways)}: 6 steps and an evaluation each", numbers)


def _trainer(device: torch.device) -> list[str]:
    return ["trainer=gpu" if device.type == "cuda" else "trainer=cpu"]


def _said(equal: bool) -> str:
    return "equal to the bit" if equal else "not equal"
