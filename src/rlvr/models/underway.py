"""Keeps a policy that is being made on disk, so that a killed run goes on instead of beginning again."""

import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from rich.markup import escape
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from rlvr.console import console
from rlvr.files import whole_file

EVERY_S = 300.0  # seconds of work that a kill loses, at most
SHARE = 0.05  # of the time that saving may take, where the policy is large


@dataclass
class Underway:
    """What a policy under way consists of, and the file that holds it.

    Attributes:
        file: Whole or not there.
        policy: The policy.
        optimizer: Its optimizer.
        schedule: Of the learning rate.
        rng: Draws the demonstrations.
    """

    file: Path
    policy: PreTrainedModel
    optimizer: Optimizer
    schedule: LambdaLR
    rng: np.random.Generator
    _due: float = field(default_factory=lambda: monotonic() + EVERY_S)

    def resume(self) -> int:
        """Go on from the file where there is one that can be read: the steps that are done."""
        if not self.file.exists():
            return 0
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):  # renamed, but not on the disk at a power cut
            console.print(f"[yellow]{self.file} can't be read: beginning again.[/]", soft_wrap=True)
            return 0
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] is not None and self.policy.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.policy.device)
        return int(state["done"])

    def save_where_due(self, done: int) -> None:
        """Write the file every few minutes, less often where writing takes long."""
        if monotonic() < self._due:
            return
        start = monotonic()
        self._save(done)
        self._due = monotonic() + max(EVERY_S, (monotonic() - start) / SHARE)

    def _save(self, done: int) -> None:
        on_gpu = self.policy.device.type == "cuda"
        state: dict[str, Any] = {
            "done": done,
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": json.dumps(self.rng.bit_generator.state),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.policy.device) if on_gpu else None,
        }
        try:
            with whole_file(self.file) as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:  # a full disk: torch's own writer raises the second
            lost = f"{self.file} can't be written, so that a kill loses more: {error}"
            console.print(f"[yellow]{escape(lost)}[/]", soft_wrap=True)
