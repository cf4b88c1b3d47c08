"""Saves the run at rollout boundaries, and when a signal asks it to end."""

import os
import shutil
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint

from rlvr.checkpoint.start import CONFIG
from rlvr.checkpoint.store import MODEL, CheckpointStore, bytes_of
from rlvr.errors import InterruptionError, RunError, cause_of
from rlvr.models import save_policy
from rlvr.ranks import Ranks
from rlvr.rollout.weights import base_of
from rlvr.strategy import sharding_of
from rlvr.training import RunContext

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # the last is what SLURM is usually told to send


class Checkpoints(Checkpoint):
    """Checkpoints that are whole or not there; Lightning calls this callback after all others.

    One is written after every `every_n_rollouts` rollouts, before the last one (so that an evaluation at the end which
    is killed costs one step), and when SIGTERM, SIGINT or SIGUSR1 has come: the optimizer steps of the present rollout
    are finished first, on all ranks, whichever of them was told. A second SIGINT ends the process at once.

    Args:
        context: What the run's parts share.
        every_n_rollouts: Rollouts, which are Lightning's epochs, between checkpoints.
        keep: How many stay; with 2, a run can fall back on the older one when the newer one is damaged.
    """

    def __init__(self, context: RunContext, every_n_rollouts: int, keep: int) -> None:
        self.context = context
        self.run_dir = context.run_dir
        self.store = CheckpointStore(self.run_dir / "checkpoints")
        self.every_n_rollouts = every_n_rollouts
        self.keep = keep
        self._asked: str | None = None  # the signal that asked for the end
        self._at_boundary = False  # whether a signal may wait for the next rollout boundary
        self._handlers: dict[int, Any] = {}

    # --- when -------------------------------------------------------------------------------------------------

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Take over the signals; Lightning's own handlers would save in the middle of a rollout."""
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        self._handlers = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        if trainer.is_global_zero:
            self.store.clear()

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Loggers go on with the row after the checkpoint's, and Lightning with a new epoch.

        Raises:
            RunError: When the ranks, each of which has looked for itself, do not go on from the same checkpoint.
        """
        mine = str(trainer.ckpt_path)
        if mine != (first := Ranks.of(trainer).broadcast(mine)):
            raise RunError(
                f"{mine}: rank 0 has read it whole, found it damaged and would go on from {first}; move it out of the "
                "way and start again, so that all ranks go on from the same checkpoint."
            )
        _between_epochs(checkpoint["loops"]["fit_loop"])
        for logger in trainer.loggers:
            if hasattr(logger, "resume"):
                logger.resume(checkpoint["global_step"])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The base is evaluated: from here on a checkpoint saves work."""
        self._at_boundary = True

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """A rollout boundary."""
        asked = Ranks.of(trainer).largest(float(self._asked is not None)) > 0
        step, parts = trainer.global_step, pl_module.minibatches_per_rollout
        over = step >= trainer.max_steps or trainer.should_stop
        due = (trainer.current_epoch + 1) % self.every_n_rollouts == 0 or step + parts >= trainer.max_steps
        if not over and (due or asked):
            with self.context.clock.phase("checkpoint"):
                self.save(trainer, pl_module)
        if asked:
            raise self._interrupted(f"after optimizer step {step}, all of it saved")
        self._at_boundary = not over  # the evaluation at the end can't be saved when it is half done

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the policy while the ranks can still put their shards together: once the engine has ended they can't."""
        gathered, folder = sharding_of(trainer.strategy).gathered, self.run_dir / "policy"
        save_policy(pl_module.policy, self.context.tokenizer, folder, gathered, trainer.is_global_zero)

    def on_exception(self, trainer: Any, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        """Free the engine before its process group ends, which Lightning does not do after an exception. This is done
        only after the project's own exceptions, where all ranks still run."""
        if isinstance(exception, InterruptionError):
            self.context.engine.close()

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Restore the signal handlers."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT and self._asked == name:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._asked = name
        if not self._at_boundary:
            raise self._interrupted("with nothing new to save")

    def _interrupted(self, when: str) -> InterruptionError:
        return InterruptionError(f"{self._asked or 'A signal to another rank'} ended the run {when}.")

    # --- how --------------------------------------------------------------------------------------------------

    def save(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write a checkpoint aside, seal it, and only then remove the oldest.

        Raises:
            RunError: When the disk has no room for it; those before it are as they were.
        """
        step, ranks = trainer.global_step, Ranks.of(trainer)
        aside = self.store.aside(step)
        self._check_room(trainer, step)
        try:
            if trainer.is_global_zero:
                shutil.rmtree(aside, ignore_errors=True)
                self._describe(aside, pl_module)
            ranks.barrier()
            trainer.save_checkpoint(aside)
            ranks.barrier()
            if trainer.is_global_zero:
                self.store.seal(step)
                self.store.keep(self.keep)
        except Exception as error:  # a full disk is an OSError, torch's RuntimeError or safetensors' own
            shutil.rmtree(aside, ignore_errors=True)
            raise RunError(
                f"{self.store.path(step)}: the checkpoint can't be written ({cause_of(error)}); "
                + self._left("make room, or start all ranks again where one has ended,")
            ) from error
        ranks.barrier()

    def _describe(self, aside: Path, pl_module: Any) -> None:
        aside.mkdir(parents=True)
        if (self.run_dir / CONFIG).exists():
            shutil.copy(self.run_dir / CONFIG, aside / CONFIG)
        model = base_of(pl_module.policy)
        model.config.save_pretrained(aside / MODEL)
        if model.generation_config is not None:
            model.generation_config.save_pretrained(aside / MODEL)
        self.context.tokenizer.save_pretrained(aside / MODEL)

    def _check_room(self, trainer: lightning.Trainer, step: int) -> None:
        steps = self.store.steps()
        if not steps or not trainer.is_global_zero:
            return
        needed, free = bytes_of(self.store.path(steps[0])), shutil.disk_usage(self.store.folder).free
        if free < 1.1 * needed:
            raise RunError(
                f"{self.store.path(step)}: {free / 2**30:.2f} GiB are free and a checkpoint takes "
                f"{needed / 2**30:.2f}; {self._left()}"
            )

    def _left(self, remedy: str = "make room") -> str:
        steps = self.store.steps()
        left = f"the one of step {steps[0]} is as it was" if steps else "there is none before it"
        return f"{remedy} and go on with ckpt_path=last: {left}."


def _between_epochs(fit_loop: dict[str, Any]) -> None:
    """Close the epoch at whose end the checkpoint was written. Lightning counts it as not quite over and would go on in
    the middle of the next one, after as many micro-batches as it had; but those of a rollout are all to be trained."""
    for counts in (fit_loop["epoch_progress"]["total"], fit_loop["epoch_progress"]["current"]):
        counts["completed"] = counts["processed"]
    batches = fit_loop["epoch_loop.batch_progress"]
    batches["current"] = dict.fromkeys(batches["current"], 0)
    batches["is_last_batch"] = False
