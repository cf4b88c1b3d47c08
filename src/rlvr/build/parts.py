"""The parts of a run that one group of the config describes each."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import torch
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf

from rlvr.algo import Filter, Loss, Objective
from rlvr.data import ProblemSource, Splits
from rlvr.errors import ConfigError
from rlvr.eval import borrowed_rates, short_hash
from rlvr.rollout import EngineSettings, Sampling
from rlvr.speed.peaks import compute_dtype
from rlvr.strategy import StrategyTraits
from rlvr.types import Problem
from rlvr.verify import MathVerifier, Verifier

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def engine_of(cfg: DictConfig) -> EngineSettings:
    """The configured engine, not yet built. Its settings alone tell its traits.

    A type that is left open is bf16 beside a trainer that computes so on a CPU: the weights stay in fp32 under
    bf16-mixed, and an engine in their type would be the slow part of every step.
    """
    settings = {"dtype": "bfloat16"} if _open_type(cfg) and _half_on_cpu(cfg) else {}
    made: EngineSettings = instantiate(cfg.rollout.engine, **settings)
    return made


def _open_type(cfg: DictConfig) -> bool:
    return "dtype" in cfg.rollout.engine and cfg.rollout.engine.dtype is None


def _half_on_cpu(cfg: DictConfig) -> bool:
    trainer = cfg.get("trainer")
    return bool(trainer) and trainer.accelerator == "cpu" and compute_dtype(str(trainer.precision)) == torch.bfloat16


def strategy_traits(cfg: DictConfig) -> StrategyTraits:
    """What the configured strategy declares of itself. One that declares nothing keeps all whole on every rank."""
    strategy = cfg.trainer.get("strategy") if "trainer" in cfg else None
    if not isinstance(strategy, DictConfig):
        return StrategyTraits()
    traits = getattr(get_class(strategy._target_), "traits", None)
    settings = {str(key): value for key, value in strategy.items() if not str(key).startswith("_")}
    return traits(**settings) if traits else StrategyTraits()


def sized_engine(cfg: DictConfig, longest: int, kv_cache_gib: float | None = None) -> EngineSettings:
    """The configured engine; one with weights of its own gets room for the run's longest sequence and no more.

    Args:
        cfg: The composed config.
        longest: Tokens of the longest prompt and completion together.
        kv_cache_gib: Key-value cache, GiB, where the config does not set it; None: the engine's own default.
    """
    return engine_of(cfg).sized(longest, kv_cache_gib)


def sampling_of(cfg: DictConfig, source: ProblemSource) -> Sampling:
    """The rollout's sampling, its length taken from the data set where the config leaves it open.

    Raises:
        ConfigError: When neither says how long a completion may be.
    """
    settings = dict(cfg.rollout.sampling)
    settings["max_new_tokens"] = settings["max_new_tokens"] or source.max_completion_tokens
    if settings["max_new_tokens"] is None:
        raise ConfigError("rollout.sampling.max_new_tokens=null: this data set sets no length; give one, such as 3072.")
    return instantiate(settings)


def loss_of(cfg: DictConfig) -> Loss:
    """The loss, with the shaping of its rewards and the selection of its tokens."""
    loss: Loss = instantiate(cfg.algo.loss)
    slots = {slot: cfg.algo.get(slot) for slot in ("shaping", "token_weight")}
    return replace(loss, **{slot: instantiate(choice) for slot, choice in slots.items() if choice})


def filter_of(cfg: DictConfig) -> Filter:
    """Which problems may update the policy."""
    made: Filter = instantiate(cfg.algo.filter)
    return made


def guess_rate_of(source: ProblemSource, splits: Splits, verifier: Verifier) -> Callable[[Problem], float | None]:
    """The chance of a blind guess: the task's own; where answers are mathematics, that of another problem's answer."""
    if not isinstance(verifier, MathVerifier):
        return source.guess_rate

    @cache
    def rates() -> dict[str, float]:  # computed at first use, since a resumed run does not need them
        return borrowed_rates(splits.train, verifier) | borrowed_rates(splits.heldout, verifier)

    return lambda problem: rates()[problem.id]


def objective_of(cfg: DictConfig, loss: Loss) -> Objective:
    """The loss's surrogate, its selection of tokens, the correction for the engine, and the additional terms."""
    correction = cfg.algo.get("correction")
    factors = [*([instantiate(correction)] if correction else []), *([loss.token_weight] if loss.token_weight else [])]
    auxiliary = [instantiate(term) for term in (cfg.algo.get("auxiliary") or {}).values()]
    replay = cfg.algo.get("replay")
    return Objective(loss.surrogate, factors, auxiliary, instantiate(replay) if replay else None)


def context_of(cfg: DictConfig, config: "PretrainedConfig") -> int:
    """Longest prompt and completion together that policy and engine can hold, in tokens."""
    return min(config.max_position_embeddings, engine_of(cfg).traits.context or sys.maxsize)


def engine_kind(cfg: DictConfig) -> tuple[str, str | None]:
    """The properties of the engine that decide which samples it draws. They are part of an evaluation's key."""
    return cfg.rollout.engine._target_, engine_of(cfg).traits.dtype


def known_of(cfg: DictConfig, context: int) -> tuple[object, ...]:
    """What stored samples depend on in addition to weights, problems and sampling: context, engine, grading rules."""
    return context, engine_kind(cfg), rules_of(cfg)


def rules_of(cfg: DictConfig) -> str:
    """Names the verifier's rules. Samples that were judged by other rules are judged again."""
    return short_hash(OmegaConf.to_container(cfg.verifier, resolve=True))
