"""What happens beside the walk: evaluation along the way, metrics, sample tables, what stops a run, interference."""

from rlvr.callbacks.collapse import CollapseError, CollapseGuard
from rlvr.callbacks.interference import Interference
from rlvr.callbacks.metrics import StepMetrics
from rlvr.callbacks.mismatch import Mismatch, MismatchError, MismatchGuard
from rlvr.callbacks.nonfinite import NonFiniteGuard
from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.callbacks.samples import SampleTable
from rlvr.callbacks.stopping import PassAtKStopping

__all__ = [
    "CollapseError",
    "CollapseGuard",
    "Interference",
    "Mismatch",
    "MismatchError",
    "MismatchGuard",
    "NonFiniteGuard",
    "PassAtKCallback",
    "PassAtKStopping",
    "SampleTable",
    "StepMetrics",
]
