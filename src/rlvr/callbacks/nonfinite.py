"""Counts optimizer steps without a finite gradient, which change nothing, and ends the run after too many in a row."""

import math
from typing import Any

import lightning
import torch
from torch import Tensor

from rlvr.errors import RunError
from rlvr.scoring import MicroBatch
from rlvr.training import RunContext


class NonFiniteGuard(lightning.Callback):
    """A batch without a finite gradient costs one step. Too many in a row end the run, and the last batches are kept.

    Args:
        context: Its run_dir is where `nonfinite-rank.pt` goes: the micro-batches of the last step, readable with
            `weights_only`.
        limit: Steps in a row after which the run ends.
    """

    def __init__(self, context: RunContext, limit: int) -> None:
        self.run_dir = context.run_dir
        self.limit = limit
        self._in_a_row = 0
        self._batches: list[MicroBatch] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: MicroBatch, batch_idx: int) -> None:
        """Remember the micro-batches of a step."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._batches = []
        self._batches.append(batch)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: MicroBatch, batch_idx: int) -> None:
        """Look at the step's gradient norm, which is the same on all ranks.

        Raises:
            RunError: After `limit` steps in a row.
        """
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._in_a_row = 0 if math.isfinite(pl_module.grad_norm) else self._in_a_row + 1
        if self._in_a_row >= self.limit:
            path = self.run_dir / f"nonfinite-{trainer.global_rank}.pt"
            torch.save([_plain(kept) for kept in self._batches], path)
            raise RunError(
                f"The gradient of {self.limit} optimizer steps in a row was not finite, the last at step "
                f"{trainer.global_step}; the policy is as it was before them. Its batch is in {path}: look for "
                "advantages or log-probabilities that are not finite, and lower optimizer.lr if there are none."
            )

    def state_dict(self) -> dict[str, Any]:
        """How many in a row so far."""
        return {"in_a_row": self._in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self._in_a_row = state_dict["in_a_row"]


def _plain(batch: MicroBatch) -> dict[str, Any]:
    return {name: value.cpu() for name, value in vars(batch).items() if isinstance(value, Tensor)}
