"""What happens beside the walk: evaluation along the way, metrics, sample tables, the mismatch guard."""

from rlvr.callbacks.checkpoints import Checkpoints
from rlvr.callbacks.metrics import StepMetrics
from rlvr.callbacks.mismatch import Mismatch, MismatchError, MismatchGuard
from rlvr.callbacks.nonfinite import NonFiniteGuard
from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.callbacks.samples import SampleTable

__all__ = [
    "Checkpoints",
    "Mismatch",
    "MismatchError",
    "MismatchGuard",
    "NonFiniteGuard",
    "PassAtKCallback",
    "SampleTable",
    "StepMetrics",
]
