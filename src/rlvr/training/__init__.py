"""Lightning's side: the data module, the LightningModule, and how completions go through the policy."""

from rlvr.training.batch import MicroBatch, packed
from rlvr.training.context import RolloutListener, RunContext
from rlvr.training.datamodule import RolloutDataModule
from rlvr.training.module import PolicyModule
from rlvr.training.scoring import score_samples

__all__ = [
    "MicroBatch",
    "PolicyModule",
    "RolloutDataModule",
    "RolloutListener",
    "RunContext",
    "packed",
    "score_samples",
]
