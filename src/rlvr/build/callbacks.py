"""A run's callbacks, handed what its parts share."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning
from hydra.utils import instantiate
from omegaconf import DictConfig

from rlvr.build.parts import guess_rate_of, known_of
from rlvr.callbacks import ORDER, CrossLikelihood, Listener, PassAtKCallback, in_order
from rlvr.data import ProblemSource, Splits
from rlvr.names import name_of
from rlvr.rollout import Sampling
from rlvr.training import RunContext


def callbacks_of(
    cfg: DictConfig, context: RunContext, source: ProblemSource, splits: Splits, sampling: Sampling, tokens: int
) -> list[lightning.Callback]:
    """All callbacks in the order in which they act. The project's own callbacks get what the run's parts share."""
    listeners: list[Listener] = []
    settings = [*cfg.callbacks.values(), *([cfg.rollout.guard] if "guard" in cfg.rollout else [])]
    made = [instantiate(each) for each in settings]
    callbacks: list[lightning.Callback] = [each(context) if isinstance(each, partial) else each for each in made]
    callbacks.append(evaluation(cfg, context, source, splits, sampling, tokens, listeners))
    if cfg.eval.cross:
        callbacks.append(cross(cfg, context, splits, sampling, tokens))
    ordered = in_order(callbacks, ORDER)
    listeners += [callback for callback in ordered if isinstance(callback, Listener)]
    return ordered


def evaluation(
    cfg: DictConfig,
    run: RunContext,
    source: ProblemSource,
    splits: Splits,
    sampling: Sampling,
    context: int,
    listeners: Sequence[Listener],
) -> PassAtKCallback:
    """The callback that evaluates the base, the policy during training and the trained policy, as `eval` says."""
    problems = {"heldout": splits.heldout, "train": splits.train[: cfg.eval.train_problems]}
    return PassAtKCallback(
        context=run,
        problems=problems,
        n=cfg.eval.n,
        sampling=sampling,
        every_n_steps=cfg.eval.every_n_steps,
        path_problems=cfg.eval.path_problems,
        label=name_of(cfg),
        guess_rate=guess_rate_of(source, splits, run.verifier),
        cache_dir=Path(cfg.paths.cache_dir),
        known=known_of(cfg, context),
        listeners=listeners,
    )


def cross(cfg: DictConfig, run: RunContext, splits: Splits, sampling: Sampling, context: int) -> CrossLikelihood:
    """The callback that scores samples of base and trained policy under both."""
    whole = replace(sampling, top_p=1.0)
    place = Path(cfg.paths.cache_dir)
    return CrossLikelihood(run, splits.heldout, cfg.eval.path_problems, whole, place, known_of(cfg, context))
