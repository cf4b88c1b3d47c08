"""What happens beside the walk: evaluation along the way, metrics, sample tables."""

from rlvr.callbacks.metrics import StepMetrics
from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.callbacks.samples import SampleTable

__all__ = ["PassAtKCallback", "SampleTable", "StepMetrics"]
