"""Puts a run together."""

import copy
import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment
from omegaconf import DictConfig
from transformers import PreTrainedModel

from rlvr.algo import Loss, Objective
from rlvr.build.callbacks import callbacks_of
from rlvr.build.parts import (
    context_of,
    filter_of,
    known_of,
    loss_of,
    objective_of,
    sampling_of,
    sized_engine,
    strategy_traits,
)
from rlvr.build.silence import quiet
from rlvr.callbacks import Listener
from rlvr.checkpoint import SafeCheckpointIO
from rlvr.data import ProblemSource, Splits, check_lengths, longest_sequence, write_report
from rlvr.errors import ConfigError
from rlvr.eval import evaluation_key
from rlvr.loggers import MetricsCsv, Tolerant
from rlvr.models import Checkpoint, trainable
from rlvr.preflight.machine import deterministic_kernels
from rlvr.preflight.settings import devices_of
from rlvr.rollout import LazyEngine, Sampling, call_seed
from rlvr.step import Collector
from rlvr.timing import Stopwatch
from rlvr.training import BaseAnswers, PolicyModule, RolloutDataModule, RunContext
from rlvr.training.precision import trained_dtype
from rlvr.verify import Verifier


@dataclass(frozen=True)
class Run:
    """Everything that training needs."""

    trainer: lightning.Trainer
    module: PolicyModule
    data: RolloutDataModule
    tokenizer: Any


def build(cfg: DictConfig) -> Run:
    """Make or load the policy, and put the stages together."""
    quiet()
    plugins = [SafeCheckpointIO(), *launcher(devices_of(cfg))]
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.deterministic:
        deterministic_kernels()
    source: ProblemSource = instantiate(cfg.data)
    source.prepare()
    loss = loss_of(cfg)
    sampling = sampling_of(cfg, source)
    evaluated = Sampling(cfg.eval.max_new_tokens or sampling.max_new_tokens, cfg.eval.temperature, cfg.eval.top_p)
    policy, tokenizer, checkpoint = policy_of(cfg, source)
    verifier: Verifier = instantiate(cfg.verifier)
    splits = splits_of(cfg, source, tokenizer, verifier)
    tokens = context_of(cfg, policy.config)
    context = RunContext(
        run_dir=Path(cfg.paths.run_dir),
        problems=splits.train,
        tokenizer=tokenizer,
        engine=LazyEngine(sized_engine(cfg, longest(splits, sampling, evaluated, tokens))),
        verifier=verifier,
        sampling=sampling,
        seed=cfg.seed,
        micro_batch_tokens=cfg.batch.micro_batch_tokens,
        clock=Stopwatch(),
    )
    callbacks = callbacks_of(cfg, context, source, splits, evaluated, tokens)
    objective = objective_of(cfg, loss)
    data = data_of(cfg, context, loss, callbacks, answers_of(cfg, context, objective, tokens))
    module = module_of(cfg, policy, objective, sampling.temperature, checkpoint)
    made = [instantiate(logger) for logger in cfg.logger.values()]
    loggers = [logger if isinstance(logger, MetricsCsv) else Tolerant(logger) for logger in made]
    trainer = instantiate(cfg.trainer, callbacks=callbacks, logger=loggers, plugins=plugins)
    # These objects and the libraries live as long as the run: the garbage collector need not visit them at every step.
    gc.freeze()
    return Run(trainer, module, data, tokenizer)


def policy_of(cfg: DictConfig, source: ProblemSource) -> tuple[PreTrainedModel, Any, Checkpoint | None]:
    """The policy, its tokenizer, and, under ZeRO-3, the files in which its weights still are."""
    dtype = trained_dtype(cfg.trainer.precision, adapters=bool(cfg.lora))
    maker, place = instantiate(cfg.model), (source, cfg.seed, Path(cfg.paths.cache_dir))
    if not strategy_traits(cfg).shards_parameters:
        return (*maker.load(*place, dtype), None)
    checkpoint: Checkpoint = maker.checkpoint(*place)
    return checkpoint.hollow(dtype), checkpoint.tokenizer(), checkpoint


def splits_of(cfg: DictConfig, source: ProblemSource, tokenizer: Any, verifier: Verifier) -> Splits:
    """The problems, and a report on them in the run's folder.

    Raises:
        ConfigError: When the pool is smaller than one batch.
    """
    splits = source.splits(tokenizer, verifier.readable)
    splits = replace(splits, train=splits.train[: cfg.pool])
    problems = {"train": splits.train, "heldout": splits.heldout}
    write_report(Path(cfg.paths.run_dir), splits.readings, problems, tokenizer)
    if len(splits.train) < cfg.batch.problems_per_step:
        raise ConfigError(
            f"batch.problems_per_step={cfg.batch.problems_per_step}: the pool has only {len(splits.train)} problems."
        )
    return splits


def data_of(
    cfg: DictConfig,
    context: RunContext,
    loss: Loss,
    callbacks: Sequence[lightning.Callback],
    answers: BaseAnswers | None,
) -> RolloutDataModule:
    """The data module that collects rollout batches, with its listeners."""
    collector = partial(
        Collector,
        problems=context.problems,
        engine=context.engine,
        verifier=context.verifier,
        filter=filter_of(cfg),
        loss=loss,
        sampling=context.sampling,
        problems_per_step=cfg.batch.problems_per_step,
        group_size=cfg.batch.group_size,
        seed=cfg.seed,
        clock=context.clock,
    )
    listeners = [callback for callback in callbacks if isinstance(callback, Listener)]
    return RolloutDataModule(context, collector, cfg.batch.minibatches_per_rollout, listeners, answers)


def answers_of(cfg: DictConfig, context: RunContext, objective: Objective, tokens: int) -> BaseAnswers | None:
    """The base's answers that the objective learns from, if any."""
    if objective.replay is None:
        return None
    return BaseAnswers(context, objective.replay, Path(cfg.paths.cache_dir), known_of(cfg, tokens), evaluation_key)


def module_of(
    cfg: DictConfig, policy: PreTrainedModel, objective: Objective, temperature: float, checkpoint: Checkpoint | None
) -> PolicyModule:
    """What is trained, and by what objective."""
    lora = instantiate(cfg.lora) if cfg.lora else None
    compared = objective.kl is not None or cfg.eval.cross
    reference = reference_of(policy, checkpoint) if compared and lora is None else None
    torch.manual_seed(call_seed(cfg.seed, "adapters"))  # so that earlier draws, such as a warm start's, do not matter
    return PolicyModule(
        policy=trainable(policy, lora, cfg.gradient_checkpointing),
        objective=objective,
        optimizer=instantiate(cfg.optimizer),
        warmup_steps=cfg.warmup_steps,
        lr_schedule=cfg.lr_schedule,
        temperature=temperature,
        minibatches_per_rollout=cfg.batch.minibatches_per_rollout,
        checkpoint=checkpoint,
        reference=reference,
    )


def reference_of(policy: PreTrainedModel, checkpoint: Checkpoint | None) -> PreTrainedModel:
    """A frozen copy of the policy before training. Where the policy is still without weights, so is the copy."""
    if checkpoint is not None:  # the parameters have no memory yet, but `deepcopy` would allocate it for the copy
        return checkpoint.hollow(policy.dtype).requires_grad_(False)
    return copy.deepcopy(policy).requires_grad_(False)


def longest(splits: Splits, sampling: Sampling, evaluated: Sampling, context: int) -> int:
    """Tokens of the longest prompt and completion together that the run will see.

    Raises:
        ConfigError: When a prompt leaves no room in the policy's context.
    """
    check_lengths(splits.train, sampling.max_new_tokens, context)
    check_lengths(splits.heldout, 1, context)
    everything = [*splits.train, *splits.heldout]
    trained = longest_sequence(splits.train, sampling.max_new_tokens, context)
    return max(trained, longest_sequence(everything, evaluated.max_new_tokens, context))


def launcher(devices: int | None) -> list[ClusterEnvironment]:
    """Let Lightning start the ranks where Slurm has started one process for all GPUs, as in a job's script without
    srun. By default Lightning would expect that Slurm has started all ranks.

    Raises:
        ConfigError: Under Submitit, whose command Lightning can't repeat for the other ranks.
    """
    alone = os.environ.get("SLURM_NTASKS") == "1" and not TorchElasticEnvironment.detect()
    if not alone or devices == 1:
        return []
    if "SUBMITIT_EXECUTOR" in os.environ:
        raise ConfigError(
            f"trainer.devices={devices}: Submitit has started one task, and under it every task is a rank; give "
            f"hydra.launcher.tasks_per_node={devices} hydra.launcher.gpus_per_node={devices}."
        )
    return [LightningEnvironment()]
