"""Spreads a policy over ranks. Only this package imports deepspeed."""

from typing import TYPE_CHECKING

from rlvr.lazy import on_demand
from rlvr.strategy.sharding import Sharding, StrategyTraits, Whole, sharding_of

if TYPE_CHECKING:
    from rlvr.strategy.deepspeed import ShardedStrategy, whole_weights
else:  # these need Lightning, which a plan does not need
    __getattr__ = on_demand(__name__, {"ShardedStrategy": "deepspeed", "whole_weights": "deepspeed"})

__all__ = ["ShardedStrategy", "Sharding", "StrategyTraits", "Whole", "sharding_of", "whole_weights"]
