"""Room 2: completions from the current policy, with their log-probabilities."""

from rlvr.rollout.engine import (
    EngineError,
    EngineFactory,
    Host,
    RolloutEngine,
    Sampling,
    StaleEngineError,
    call_seed,
)
from rlvr.rollout.hf import HFEngine
from rlvr.rollout.settings import alone_cache_gib, engine_dtype, gpu_gib, usual_cache_gib
from rlvr.rollout.weights import (
    Gathered,
    Weights,
    base_of,
    checkpoint_name,
    fingerprint,
    layers,
    named_weights,
    whole,
)

__all__ = [
    "EngineError",
    "EngineFactory",
    "Gathered",
    "HFEngine",
    "Host",
    "RolloutEngine",
    "Sampling",
    "StaleEngineError",
    "Weights",
    "alone_cache_gib",
    "base_of",
    "call_seed",
    "checkpoint_name",
    "engine_dtype",
    "fingerprint",
    "gpu_gib",
    "layers",
    "named_weights",
    "usual_cache_gib",
    "whole",
]
