"""What can the policy solve, and how sure are we?"""

from typing import TYPE_CHECKING

from rlvr.eval.bootstrap import Crossing, Interval, bootstrap_crossing, bootstrap_mean
from rlvr.eval.evaluation import Evaluation
from rlvr.eval.ledger import Change, Ledger, ledger
from rlvr.eval.outcome import Outcome, outcome_of
from rlvr.eval.pass_at_k import pass_at_k, powers_of_two
from rlvr.eval.record import RunRecord, SplitRecord
from rlvr.eval.store import SampleStore, sample_file
from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.eval.guess import borrowed_rates
    from rlvr.eval.key import evaluation_key, short_hash
    from rlvr.eval.runner import Evaluated, evaluate
    from rlvr.eval.sampler import Job, judge_again, sample
else:  # what samples needs torch; what reads samples, a report say, is installed without it
    __getattr__ = on_demand(
        __name__,
        {
            "borrowed_rates": "guess",
            "evaluation_key": "key",
            "short_hash": "key",
            "Evaluated": "runner",
            "evaluate": "runner",
            "Job": "sampler",
            "judge_again": "sampler",
            "sample": "sampler",
        },
    )

__all__ = [
    "Change",
    "Crossing",
    "Evaluated",
    "Evaluation",
    "Interval",
    "Job",
    "Ledger",
    "Outcome",
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
