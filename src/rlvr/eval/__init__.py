"""Room 6: what can the policy solve, and how sure are we?"""

from rlvr.eval.bootstrap import Crossing, Interval, bootstrap_crossing, bootstrap_mean
from rlvr.eval.ledger import Change, Ledger, ledger
from rlvr.eval.outcome import Outcome, outcome_of
from rlvr.eval.pass_at_k import PassAtK, pass_at_k, powers_of_two
from rlvr.eval.record import RunRecord, SplitRecord, kept_samples
from rlvr.eval.runner import Evaluation, Graded, evaluate
from rlvr.eval.sampler import Job, judge_again, sample
from rlvr.eval.store import SampleStore

__all__ = [
    "Change",
    "Crossing",
    "Evaluation",
    "Graded",
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
    "evaluate",
    "judge_again",
    "kept_samples",
    "ledger",
    "outcome_of",
    "pass_at_k",
    "powers_of_two",
    "sample",
]
