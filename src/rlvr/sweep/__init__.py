"""Sweeps: every job runs in its own process, one view shows all jobs, and the others go on when some fail."""

from rlvr.sweep.failed import FailedJobs
from rlvr.sweep.job import Job, objective
from rlvr.sweep.run import run_jobs

__all__ = ["FailedJobs", "Job", "objective", "run_jobs"]
