"""What happens beside the training: evaluations, metrics, sample tables, what stops a run, interference."""

from rlvr.callbacks.collapse import CollapseError, CollapseGuard
from rlvr.callbacks.cross import CrossLikelihood
from rlvr.callbacks.interference import Interference
from rlvr.callbacks.listener import Listener, in_order
from rlvr.callbacks.metrics import StepMetrics
from rlvr.callbacks.mismatch import Mismatch, MismatchError, MismatchGuard
from rlvr.callbacks.nonfinite import NonFiniteGuard
from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.callbacks.samples import SampleTable
from rlvr.callbacks.stalled import StalledGuard
from rlvr.callbacks.stopping import PassAtKStopping

# The order in which callbacks act, at every hook and for every rollout batch; Lightning itself puts checkpoints last.
ORDER = (
    MismatchGuard,  # Nothing looks at rollouts that do not come from the policy.
    CollapseGuard,
    StalledGuard,
    PassAtKCallback,  # It tells those below of its evaluations.
    PassAtKStopping,
    CrossLikelihood,
    Interference,
    SampleTable,
    NonFiniteGuard,
    StepMetrics,  # It logs what those above have measured, and its clock starts when they have done their first work.
)

__all__ = [
    "ORDER",
    "CollapseError",
    "CollapseGuard",
    "CrossLikelihood",
    "Interference",
    "Listener",
    "Mismatch",
    "MismatchError",
    "MismatchGuard",
    "NonFiniteGuard",
    "PassAtKCallback",
    "PassAtKStopping",
    "SampleTable",
    "StalledGuard",
    "StepMetrics",
    "in_order",
]
