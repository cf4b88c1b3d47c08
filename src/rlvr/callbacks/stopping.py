"""Ends a training whose Pass@k no longer rises, and keeps the policy that had the best one."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning

from rlvr.callbacks.listener import Listener
from rlvr.console import console
from rlvr.eval import Evaluation
from rlvr.files import make_folder
from rlvr.models import save_policy
from rlvr.strategy import sharding_of
from rlvr.training import RunContext

RECORD = "early_stopping.json"


class PassAtKStopping(Listener):
    """Stops after `patience` evaluations along the way without a new best Pass@k; the base's is the first of them.

    Lightning's own EarlyStopping reads `trainer.callback_metrics` at every epoch; evaluations are rarer than epochs, so
    it would take old numbers for new ones.

    The best policy is kept as a Hugging Face folder `best/`, with its step and score beside it. Tables and figures
    show the last policy: the best of several evaluations of the same problems looks better than it is.

    Args:
        context: What the run's parts share.
        k: The k of the Pass@k that has to rise, on the held-out problems of the evaluations along the way.
        patience: Evaluations in a row without a new best score after which the run ends.
    """

    def __init__(self, context: RunContext, k: int, patience: int) -> None:
        self.context = context
        self.k = k
        self.patience = patience
        self.folder = context.run_dir / "best"
        self.best = -1.0
        self.best_step = 0
        self.seen_step = -1
        self.waited = 0
        self.stopped = False

    def on_evaluation(self, trainer: Any, pl_module: Any, step: int, found: Mapping[str, Evaluation]) -> None:
        """Take the policy as a candidate; the base is the first one, the last policy the last one."""
        self.seen_step = step
        score = found["heldout"].pass_at(self.k)
        if score > self.best:
            self.best, self.best_step, self.waited = score, step, 0
            self._keep(trainer, pl_module.policy)
        else:
            self.waited += 1

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop when `patience` evaluations in a row had no new best."""
        if self.seen_step == trainer.global_step and self.waited >= self.patience:
            trainer.should_stop = self.stopped = True

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Say what was found."""
        if trainer.is_global_zero:
            if self.stopped:
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
        if before != self.folder and before.is_dir():
            make_folder(self.folder, lambda aside: _copy(before, aside))

    def _keep(self, trainer: lightning.Trainer, policy: Any) -> None:
        """Put the policy as it is in place of the last best one."""
        aside = self.folder.with_name(f".{self.folder.name}")  # whole before it gets the name
        gathered = sharding_of(trainer.strategy).gathered
        with self.context.clock.phase("eval"):
            save_policy(policy, self.context.tokenizer, aside, gathered, trainer.is_global_zero)
            if trainer.is_global_zero:
                (aside / RECORD).write_text(json.dumps({"step": self.best_step, "k": self.k, "pass_at_k": self.best}))
                shutil.rmtree(self.folder, ignore_errors=True)
                aside.rename(self.folder)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
