"""One rollout step, without Lightning: sample, grade, filter, and turn what is left into training samples."""

from typing import TYPE_CHECKING

from rlvr.lazy import on_demand
from rlvr.step.table import SCHEMA, read_table, table_of, write_table

if TYPE_CHECKING:
    from rlvr.step.batch import RolloutBatch
    from rlvr.step.collector import Collector
    from rlvr.step.metrics import batch_metrics
    from rlvr.step.samples import TrainingSample, training_samples
    from rlvr.step.sampling import Grader, sample_groups, stream_groups
else:  # these need torch; who only reads tables, a report say, is installed without it
    __getattr__ = on_demand(
        __name__,
        {
            "RolloutBatch": "batch",
            "Collector": "collector",
            "batch_metrics": "metrics",
            "TrainingSample": "samples",
            "training_samples": "samples",
            "Grader": "sampling",
            "sample_groups": "sampling",
            "stream_groups": "sampling",
        },
    )

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
