"""Room 6: what can the policy solve, and how sure are we?"""

from rlvr.eval.bootstrap import Interval, bootstrap_mean
from rlvr.eval.pass_at_k import PassAtK, pass_at_k, powers_of_two
from rlvr.eval.record import RunRecord, SplitRecord
from rlvr.eval.runner import Evaluation, evaluate

__all__ = [
    "Evaluation",
    "Interval",
    "PassAtK",
    "RunRecord",
    "SplitRecord",
    "bootstrap_mean",
    "evaluate",
    "pass_at_k",
    "powers_of_two",
]
