"""Checks that end in every way there is, for the runner of `make gpu-check`; not tests themselves."""

import os
import signal
import subprocess
import time
from pathlib import Path

import torch

from benchmarks.gpu_check.results import Finding, SkipError


def passes(device: torch.device, folder: Path) -> Finding:
    print("noise", "{}")
    return Finding(True, f"all well on {device}", {"x": 1.5})


def fails(device: torch.device, folder: Path) -> Finding:
    return Finding(False, "off by 2", {"x": 2.0})


def raises(device: torch.device, folder: Path) -> Finding:
    raise FileNotFoundError(f"no {folder}/weights.bin\nand more")


def skips(device: torch.device, folder: Path) -> Finding:
    raise SkipError("too small")


def dies(device: torch.device, folder: Path) -> Finding:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def exits(device: torch.device, folder: Path) -> Finding:
    print("said on the way out of /home/jane/secret", flush=True)
    os._exit(7)


def leaves(device: torch.device, folder: Path) -> Finding:
    """A result, and a child in a session of its own, as torch's launcher starts its ranks."""
    left = subprocess.Popen(["sleep", "300"], start_new_session=True)
    Path(os.environ["LEFT"]).write_text(str(left.pid))
    return Finding(True, "left a child", {})


def hangs(device: torch.device, folder: Path) -> Finding:
    """With such a child."""
    leaves(device, folder)
    time.sleep(300)
    raise AssertionError
