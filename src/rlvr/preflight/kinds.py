"""Refuses engines and strategies that do not work together, by the traits that they declare.

This is not in `settings`, since their traits need torch and Lightning, whose import takes seconds.
"""

from omegaconf import DictConfig

from rlvr.errors import ConfigError
from rlvr.preflight.settings import ranks_of
from rlvr.rollout import EngineTraits
from rlvr.strategy import StrategyTraits


def check_kinds(cfg: DictConfig, engine: EngineTraits, strategy: StrategyTraits) -> None:
    """Look at the pair.

    Raises:
        ConfigError: With the sentence of the first check that fails.
    """
    faults = _divisible(cfg, engine), _precision(cfg, strategy), _whole(engine, strategy), _renewed(cfg, strategy)
    for fault in faults:
        if fault:
            raise ConfigError(fault)


def _divisible(cfg: DictConfig, engine: EngineTraits) -> str | None:
    ranks, together = ranks_of(cfg), engine.ranks_per_engine
    if ranks % together == 0:
        return None
    return f"rollout.engine.tensor_parallel_size={together}: must divide the {ranks} ranks (trainer.devices)."


def _precision(cfg: DictConfig, strategy: StrategyTraits) -> str | None:
    precision = str(cfg.trainer.precision)
    if precision == "bf16-true" and not strategy.keeps_masters:
        return (
            "trainer.precision=bf16-true: nothing would keep the trained weights in fp32, and updates of the size of "
            "optimizer.lr are lost when they are rounded to bfloat16; choose bf16-mixed, or trainer=deepspeed_zero2."
        )
    if precision == "bf16-mixed" and strategy.keeps_masters:
        return (
            "trainer.precision=bf16-mixed: the strategy keeps fp32 copies of bf16 weights by itself; choose bf16-true."
        )
    return None


def _whole(engine: EngineTraits, strategy: StrategyTraits) -> str | None:
    if engine.own_weights or not strategy.shards_parameters:
        return None
    return (
        "rollout.engine: it generates with the policy's own parameters, of which this trainer.strategy leaves every "
        "rank a part only; choose rollout=vllm or trainer=deepspeed_zero2."
    )


def _renewed(cfg: DictConfig, strategy: StrategyTraits) -> str | None:
    """A reference that follows the policy is a whole copy of it."""
    for name, term in (cfg.algo.get("auxiliary") or {}).items():
        if (n := term.get("reset_every_n_steps")) is None:
            continue
        key = f"algo.auxiliary.{name}.reset_every_n_steps={n}"
        if cfg.lora:
            return (
                f"{key}: with adapters the reference is the policy without them, which never moves; give null, or "
                "train without lora."
            )
        if strategy.shards_parameters:
            return (
                f"{key}: this trainer.strategy leaves every rank a part of the policy only, and parts are not renewed; "
                "give null, or choose trainer=deepspeed_zero2."
            )
    return None
