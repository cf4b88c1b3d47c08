"""From a composed config to the objects of a run. Beside the entry scripts, the only place that knows Hydra."""

from rlvr.build.parts import context_of, engine_kind, engine_of, rules_of, sampling_of, sized_engine, strategy_traits
from rlvr.build.planning import plan_of
from rlvr.build.run import Run, build, quiet

__all__ = [
    "Run",
    "build",
    "context_of",
    "engine_kind",
    "engine_of",
    "plan_of",
    "quiet",
    "rules_of",
    "sampling_of",
    "sized_engine",
    "strategy_traits",
]
