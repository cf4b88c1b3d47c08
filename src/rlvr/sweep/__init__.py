"""Sweeps: every job in a process of its own, one view of all, and what is left when some fail."""

from rlvr.sweep.failed import FailedJobs
from rlvr.sweep.job import Job, objective
from rlvr.sweep.run import run_jobs

__all__ = ["FailedJobs", "Job", "objective", "run_jobs"]
