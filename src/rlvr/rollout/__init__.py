"""Room 2: completions from the current policy, with their log-probabilities."""

from rlvr.rollout.engine import (
    EngineError,
    EngineFactory,
    RolloutEngine,
    Sampling,
    StaleEngineError,
    call_seed,
    usual_cache_gib,
)
from rlvr.rollout.hf import HFEngine
from rlvr.rollout.weights import Gathered, Weights, base_of, checkpoint_name, layers, named_weights, whole

__all__ = [
    "EngineError",
    "EngineFactory",
    "Gathered",
    "HFEngine",
    "RolloutEngine",
    "Sampling",
    "StaleEngineError",
    "Weights",
    "base_of",
    "call_seed",
    "checkpoint_name",
    "layers",
    "named_weights",
    "usual_cache_gib",
    "whole",
]
