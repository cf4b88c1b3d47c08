"""How a policy is spread over ranks; the only place that imports deepspeed."""

from rlvr.strategy.deepspeed import ShardedStrategy, whole_weights
from rlvr.strategy.sharding import Sharding, StrategyTraits, Whole, sharding_of

__all__ = ["ShardedStrategy", "Sharding", "StrategyTraits", "Whole", "sharding_of", "whole_weights"]
