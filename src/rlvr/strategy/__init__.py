"""DeepSpeed as it must be for this work; the only place that imports deepspeed."""

from rlvr.strategy.deepspeed import ShardedStrategy

__all__ = ["ShardedStrategy"]
