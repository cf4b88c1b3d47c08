"""Ends a training whose Pass@k no longer rises, and keeps the policy that had the best one."""

import json
import shutil
from pathlib import Path
from typing import Any

import lightning

from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.console import console
from rlvr.files import make_folder
from rlvr.models import save_policy
from rlvr.training import RolloutDataModule

RECORD = "early_stopping.json"


class PassAtKStopping(lightning.Callback):
    """Stops after `patience` evaluations along the way without a new best Pass@k; the base's is the first of them.

    Lightning's own EarlyStopping reads `trainer.callback_metrics` at every epoch; evaluations are rarer than epochs, so
    it would take old numbers for new ones.

    The best policy is kept as a Hugging Face folder `best/`, with its step and score beside it. Tables and figures
    show the last policy: the best of several evaluations of the same problems looks better than it is.

    Args:
        k: The k of the Pass@k that has to rise, on the held-out problems of the evaluations along the way.
        patience: Evaluations in a row that may fail to.
        run_dir: The run's folder.
    """

    def __init__(self, k: int, patience: int, run_dir: Path) -> None:
        self.k = k
        self.patience = patience
        self.folder = Path(run_dir) / "best"
        self.best = -1.0
        self.best_step = 0
        self.seen_step = -1
        self.waited = 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Take the base as the first candidate."""
        self._look(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at a new evaluation and stop where patience ends."""
        if self._look(trainer) and self.waited >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The last policy is a candidate too; then say what was found."""
        stopped = trainer.should_stop and self.waited >= self.patience
        self._look(trainer)
        if trainer.is_global_zero:
            if stopped:
                console.print(f"Stopped at step {trainer.global_step}: no new best in {self.patience} evaluations.")
            console.print(
                f"Best Pass@{self.k} along the way: {100 * self.best:.1f} % at step {self.best_step}, kept in "
                f"{self.folder.name}/; tables and figures show the last policy."
            )

    def state_dict(self) -> dict[str, Any]:
        """What was best, where it is kept, and how long ago it was."""
        kept = {name: getattr(self, name) for name in ("best", "best_step", "seen_step", "waited")}
        return kept | {"folder": str(self.folder)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; a run that goes on in another folder takes the best policy along."""
        state = dict(state_dict)
        before = Path(state.pop("folder"))
        vars(self).update(state)
        if before != self.folder and before.is_dir() and not self.folder.exists():
            make_folder(self.folder, lambda aside: _copy(before, aside))

    def _look(self, trainer: Any) -> bool:
        """Whether there was a new evaluation to look at."""
        evaluator = next(callback for callback in trainer.callbacks if isinstance(callback, PassAtKCallback))
        path, step = evaluator.record.splits["heldout"].path, trainer.global_step
        if step not in path or step <= self.seen_step:
            return False
        self.seen_step = step
        score = path[step].pass_at(self.k)
        if score > self.best:
            self.best, self.best_step, self.waited = score, step, 0
            self._keep(trainer)
        else:
            self.waited += 1
        return True

    def _keep(self, trainer: Any) -> None:
        """Put the policy as it is in place of the last best one."""
        data: RolloutDataModule = trainer.datamodule
        aside = self.folder.with_name(f".{self.folder.name}")  # whole before it gets the name
        with data.stopwatch.phase("eval"):
            policy = trainer.lightning_module.policy
            save_policy(policy, data.tokenizer, aside, data.gathered, trainer.is_global_zero)
            if trainer.is_global_zero:
                (aside / RECORD).write_text(json.dumps({"step": self.best_step, "k": self.k, "pass_at_k": self.best}))
                shutil.rmtree(self.folder, ignore_errors=True)
                aside.rename(self.folder)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
