"""Lightning's side: the data module, the LightningModule, and what the run's parts share."""

from rlvr.training.context import RolloutListener, RunContext
from rlvr.training.datamodule import RolloutDataModule
from rlvr.training.module import PolicyModule
from rlvr.training.replay import BaseAnswers
from rlvr.training.scoring import Scored, score_samples, scored_under

__all__ = [
    "BaseAnswers",
    "PolicyModule",
    "RolloutDataModule",
    "RolloutListener",
    "RunContext",
    "Scored",
    "score_samples",
    "scored_under",
]
