"""Verifies code: what a policy wrote is run against tests that it cannot reach."""

from rlvr.verify.python.verifier import PythonVerifier

__all__ = ["PythonVerifier"]
