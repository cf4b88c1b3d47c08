"""Room 5: the rollout data module, the LightningModule, and the policy they train."""

from rlvr.training.batch import MicroBatch, Sample, packed
from rlvr.training.datamodule import RolloutDataModule
from rlvr.training.module import PolicyModule
from rlvr.training.walk import Walk

__all__ = [
    "MicroBatch",
    "PolicyModule",
    "RolloutDataModule",
    "Sample",
    "Walk",
    "packed",
]
