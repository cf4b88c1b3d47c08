"""DeepSpeed as it must be for this work; the only place that imports deepspeed."""

from rlvr.strategy.deepspeed import ShardedStrategy, whole_weights

__all__ = ["ShardedStrategy", "whole_weights"]
