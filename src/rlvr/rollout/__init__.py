"""Room 2: completions from the current policy, with their log-probabilities."""

from rlvr.rollout.engine import EngineError, EngineFactory, RolloutEngine, Sampling, StaleEngineError, call_seed
from rlvr.rollout.hf import HFEngine
from rlvr.rollout.weights import Gathered, Weights, named_weights, whole

__all__ = [
    "EngineError",
    "EngineFactory",
    "Gathered",
    "HFEngine",
    "RolloutEngine",
    "Sampling",
    "StaleEngineError",
    "Weights",
    "call_seed",
    "named_weights",
    "whole",
]
