"""Room 5: the rollout data module, the LightningModule, and the policy they train."""

from rlvr.training.batch import MicroBatch, Sample, packed
from rlvr.training.datamodule import RolloutDataModule
from rlvr.training.gguf import PackagedPolicy
from rlvr.training.module import PolicyModule
from rlvr.training.policy import PolicySource, PretrainedPolicy, save_policy, trainable
from rlvr.training.streamed import Checkpoint
from rlvr.training.walk import Walk
from rlvr.training.warmstart import WarmStartedPolicy

__all__ = [
    "Checkpoint",
    "MicroBatch",
    "PackagedPolicy",
    "PolicyModule",
    "PolicySource",
    "PretrainedPolicy",
    "RolloutDataModule",
    "Sample",
    "Walk",
    "WarmStartedPolicy",
    "packed",
    "save_policy",
    "trainable",
]
