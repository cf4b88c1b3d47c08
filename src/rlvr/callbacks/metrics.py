"""Logs each optimizer step's numbers under stable names, and shows the ones that matter."""

import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import lightning
import torch

from rlvr.callbacks.listener import Listener
from rlvr.callbacks.speed import Speed
from rlvr.console import Bar, bar, console
from rlvr.step import RolloutBatch
from rlvr.training import PolicyModule, RunContext

# Steps in a row that change less than this part of the trained numbers, after which a warning is due.
FEW, IN_A_ROW = 0.5, 5


class StepMetrics(Listener):
    """One row of metrics an optimizer step (docs/metrics.md) and the training's progress bar.

    Seconds are those since the last row, evaluations left out, so that the phases of a step add up to it.

    Args:
        context: Its clock has the seconds and the work of each phase.
    """

    def __init__(self, context: RunContext) -> None:
        self.engine = context.engine
        self.clock = context.clock
        self._rollout: Mapping[str, float] = {}
        self._begins = True  # the next row is the first of its rollout batch
        self._stack = ExitStack()
        self._bar: Bar | None = None
        self._mark = self._step_start = 0.0
        self._ineffective = 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the bar. The first rollout is over by now, so the step time of the first row does not include it."""
        if trainer.is_global_zero:
            steps = int(trainer.max_steps)
            self._bar = self._stack.enter_context(bar("Training", steps, trainer.global_step))
        self._speed = Speed.of(trainer, pl_module.policy, self.engine)
        self.clock.forget("eval")  # it was over before the clock starts
        self._step_start = time.perf_counter()

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Keep the metrics that belong to the rows of this batch."""
        self._rollout = metrics
        self._begins = True
        return {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """The forward pass begins."""
        self._mark = time.perf_counter()

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        """The forward pass is over."""
        self._lap(trainer, "forward")

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        """The backward pass is over."""
        self._lap(trainer, "backward")

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log a row once the optimizer has stepped."""
        self._lap(trainer, "optimizer")
        passed = batch.passed
        for phase in ("forward", "backward"):
            self.clock.count(phase, passed)
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        with self.clock.phase("metrics"):  # part of the next row, since this one's seconds are taken first
            self._log(trainer, pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close the bar."""
        self._stack.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Close the bar, so that the error stands below it."""
        self._stack.close()

    def _log(self, trainer: lightning.Trainer, module: PolicyModule) -> None:
        metrics = self._row(trainer, module)
        self._warn(metrics)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        if self._bar:
            shown = {
                "accuracy": metrics.get("rollout/accuracy", 0.0),
                "entropy": metrics.get("rollout/entropy", 0.0),
                "selected": 1 - metrics.get("filter/gated_share", 0.0),
                "tok/s": metrics["speed/tokens"],
                "mfu": metrics["speed/mfu"],
            }
            self._bar.advance(1, **shown)

    def _warn(self, metrics: dict[str, float]) -> None:
        """Say once when updates are lost in rounding, which no curve shows."""
        small = metrics["train/update_share"] < FEW and metrics["train/lr"] > 0 and metrics["train/grad_norm"] > 0
        self._ineffective = self._ineffective + 1 if small and not metrics["train/skipped"] else 0
        if self._bar and self._ineffective == IN_A_ROW:
            console.print(
                f"[yellow]Only {100 * metrics['train/update_share']:.0f} % of the trained numbers changed in the last "
                f"step, and few in the {IN_A_ROW - 1} before it:[/] optimizer.lr={metrics['train/lr']:.2g} is lost in "
                "rounding there, or most of the policy has no gradient."
            )

    def _lap(self, trainer: Any, phase: str) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()  # else the clock would measure how fast work is submitted, not how fast it is done
        now = time.perf_counter()
        self.clock.add(phase, now - self._mark)
        self._mark = now

    def _row(self, trainer: Any, module: PolicyModule) -> dict[str, float]:
        now = time.perf_counter()
        seconds = self.clock.take()
        # Evaluations along the way fall between two rows, but are not part of a step.
        seconds["step"] = now - self._step_start - seconds.pop("eval", 0.0)
        self._step_start = now
        tokens = self._rollout.get("rollout/tokens", 0.0)
        speed = self._speed.row(seconds, self.clock.take_passed(), tokens, self._begins)
        self._begins = False
        return {
            **self._rollout,
            "train/grad_norm": module.grad_norm,
            "train/skipped": float(not math.isfinite(module.grad_norm)),
            **module.take_metrics(),
            "train/micro_batches": float(trainer.accumulate_grad_batches),
            "train/lr": trainer.optimizers[0].param_groups[0]["lr"],
            **{f"time/{phase}": value for phase, value in seconds.items()},
            **speed,
        }
