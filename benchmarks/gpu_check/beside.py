"""Compares one training step of TRL with ours, by the two halves of `benchmarks/vs_trl.py`, if this Python has TRL."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_check.policies import SHAPES, policy_of, shape_for
from benchmarks.gpu_check.results import Finding
from benchmarks.gpu_check.runner import ROOT
from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS


def trl(device: torch.device, folder: Path) -> Finding:
    """Countdown with the layers of the 0.5B shape and 16 tokens; both sides sample by transformers."""
    from benchmarks import vs_trl

    vs_trl.HOME = folder
    on_gpu = device.type == "cuda"
    shape = shape_for(device)
    _save_base(shape, folder / "base")
    data = ("data.heldout_size=1", f"model.name={folder / 'base'}", f"paths.log_dir={folder}")
    precision = "bf16-mixed" if on_gpu else "32-true"
    case = vs_trl.Case("pretrained", 32, 64, 256, steps=8, skipped=3, turns=1, data=data, precision=precision)
    vs_trl.prepare(case, folder)
    asked = {**vars(case), "folder": str(folder), "mode": "generate", "group": 8, "lr": 1e-6}
    asked |= {"bf16": on_gpu, "cuda": on_gpu}
    theirs = _trl(asked)
    ours = vs_trl.ours(case, ["trainer=gpu", "algo/correction=none"] if on_gpu else [])
    numbers: dict[str, Any] = {"shape": f"{shape}, 16 tokens", "steps": case.steps - case.skipped}
    for name, side in (("TRL", theirs), ("ours", ours)):
        numbers |= {f"{name}: s a step": side["step"], f"{name}: tokens/s": side["rate"]}
    why = f"{ours['step']:.2f} s a step, TRL {theirs['step']:.2f}"
    return Finding(True, why, numbers)


def _save_base(shape: str, folder: Path) -> None:
    tokenizer = character_tokenizer(CHARACTERS)
    SHAPES["16 tokens"] = SHAPES[shape] | {"vocab_size": len(tokenizer)}
    policy_of("16 tokens", torch.device("cpu")).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _trl(asked: dict[str, Any]) -> dict[str, float]:
    """Seconds a step and tokens a second.

    Raises:
        RuntimeError: With TRL's last line, when it fails.
    """
    script = str(ROOT / "benchmarks" / "trl_side.py")
    done = subprocess.run([sys.executable, script, json.dumps(asked)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"TRL ended with {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
