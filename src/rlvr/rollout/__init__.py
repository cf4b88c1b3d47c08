"""Room 2: completions from the current policy, with their log-probabilities."""

from rlvr.rollout.engine import EngineFactory, RolloutEngine, Sampling, StaleEngineError, call_seed
from rlvr.rollout.hf import HFEngine

__all__ = ["EngineFactory", "HFEngine", "RolloutEngine", "Sampling", "StaleEngineError", "call_seed"]
