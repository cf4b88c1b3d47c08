"""When two answers in mathematics say the same."""

from rlvr.verify.math.verifier import MathVerifier

__all__ = ["MathVerifier"]
