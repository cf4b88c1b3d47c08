"""Completions from the current policy, with their log-probabilities."""

from rlvr.rollout.engine import (
    EngineError,
    EngineSettings,
    EngineTraits,
    Host,
    LazyEngine,
    RolloutEngine,
    Sampling,
    StaleEngineError,
    call_seed,
)
from rlvr.rollout.engines import HF, VLLM
from rlvr.rollout.settings import alone_cache_gib, engine_dtype, gpu_gib, usual_cache_gib
from rlvr.rollout.weights import (
    Gathered,
    Weights,
    base_of,
    checkpoint_name,
    evaluating,
    fingerprint,
    layers,
    named_weights,
    whole,
)

__all__ = [
    "HF",
    "VLLM",
    "EngineError",
    "EngineSettings",
    "EngineTraits",
    "Gathered",
    "Host",
    "LazyEngine",
    "RolloutEngine",
    "Sampling",
    "StaleEngineError",
    "Weights",
    "alone_cache_gib",
    "base_of",
    "call_seed",
    "checkpoint_name",
    "engine_dtype",
    "evaluating",
    "fingerprint",
    "gpu_gib",
    "layers",
    "named_weights",
    "usual_cache_gib",
    "whole",
]
