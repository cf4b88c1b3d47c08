"""One rollout step, without Lightning: sample, grade, filter, and turn what is left into training samples."""

from rlvr.step.batch import RolloutBatch
from rlvr.step.collector import Collector
from rlvr.step.metrics import batch_metrics
from rlvr.step.samples import TrainingSample, training_samples
from rlvr.step.sampling import Grader, sample_groups, stream_groups
from rlvr.step.table import SCHEMA, read_table, table_of, write_table

__all__ = [
    "SCHEMA",
    "Collector",
    "Grader",
    "RolloutBatch",
    "TrainingSample",
    "batch_metrics",
    "read_table",
    "sample_groups",
    "stream_groups",
    "table_of",
    "training_samples",
    "write_table",
]
