"""From a composed config to the objects of a run. Beside the entry scripts, the only place that knows Hydra."""

from typing import TYPE_CHECKING

from rlvr.build.parts import (
    context_of,
    engine_kind,
    engine_of,
    filter_of,
    loss_of,
    rules_of,
    sampling_of,
    sized_engine,
    strategy_traits,
)
from rlvr.build.silence import quiet
from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.build.planning import plan_of, time_plan_of
    from rlvr.build.run import Run, build
else:  # transformers, which a pair that is refused does not need, and Lightning, which an evaluation does not
    __getattr__ = on_demand(__name__, {"Run": "run", "build": "run", "plan_of": "planning", "time_plan_of": "planning"})

__all__ = [
    "Run",
    "build",
    "context_of",
    "engine_kind",
    "engine_of",
    "filter_of",
    "loss_of",
    "plan_of",
    "quiet",
    "rules_of",
    "sampling_of",
    "sized_engine",
    "strategy_traits",
    "time_plan_of",
]
