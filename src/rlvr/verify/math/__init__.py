"""Decides whether two mathematical answers say the same."""

from rlvr.verify.math.verifier import MathVerifier

__all__ = ["MathVerifier"]
