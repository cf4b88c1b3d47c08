"""One rollout step, without Lightning: sample, grade, filter, and turn what is left into training samples."""

from rlvr.step.batch import RolloutBatch
from rlvr.step.collector import Collector
from rlvr.step.metrics import batch_metrics
from rlvr.step.samples import TrainingSample, training_samples
from rlvr.step.sampling import sample_groups

__all__ = [
    "Collector",
    "RolloutBatch",
    "TrainingSample",
    "batch_metrics",
    "sample_groups",
    "training_samples",
]
