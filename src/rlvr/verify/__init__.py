"""Verifiers, which decide whether an answer is right."""

from rlvr.verify.countdown import CountdownVerifier
from rlvr.verify.function import FunctionVerifier
from rlvr.verify.math import MathVerifier
from rlvr.verify.n_queens import NQueensVerifier
from rlvr.verify.python import PythonVerifier
from rlvr.verify.reasoning import ReasoningGymVerifier
from rlvr.verify.rewards import ZERO_ONE, Rewards
from rlvr.verify.verifier import Verifier
from rlvr.verify.weighted import WeightedVerifier

__all__ = [
    "ZERO_ONE",
    "CountdownVerifier",
    "FunctionVerifier",
    "MathVerifier",
    "NQueensVerifier",
    "PythonVerifier",
    "ReasoningGymVerifier",
    "Rewards",
    "Verifier",
    "WeightedVerifier",
]
