"""What can the policy solve, and how sure are we?"""

from typing import TYPE_CHECKING

from rlvr.eval.bootstrap import Crossing, Interval, bootstrap_crossing, bootstrap_mean
from rlvr.eval.evaluation import Evaluation
from rlvr.eval.guess import borrowed_rates
from rlvr.eval.key import evaluation_key, short_hash
from rlvr.eval.ledger import Change, Ledger, ledger
from rlvr.eval.outcome import Outcome, outcome_of
from rlvr.eval.pass_at_k import pass_at_k, powers_of_two
from rlvr.eval.record import RunRecord, SplitRecord
from rlvr.eval.runner import Evaluated, evaluate, sample_file
from rlvr.eval.sampler import Job, judge_again, sample
from rlvr.eval.store import SampleStore
from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.eval.metric import PassAtK
else:  # torchmetrics brings SciPy and Matplotlib, and a report or an evaluation has no use for it
    __getattr__ = on_demand(__name__, {"PassAtK": "metric"})

__all__ = [
    "Change",
    "Crossing",
    "Evaluated",
    "Evaluation",
    "Interval",
    "Job",
    "Ledger",
    "Outcome",
    "PassAtK",
    "RunRecord",
    "SampleStore",
    "SplitRecord",
    "bootstrap_crossing",
    "bootstrap_mean",
    "borrowed_rates",
    "evaluate",
    "evaluation_key",
    "judge_again",
    "ledger",
    "outcome_of",
    "pass_at_k",
    "powers_of_two",
    "sample",
    "sample_file",
    "short_hash",
]
