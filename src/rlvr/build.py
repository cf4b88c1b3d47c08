"""From a composed config to the objects of a run. Apart from the entry scripts, the only place that knows Hydra."""

import gc
import logging
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import transformers
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment
from omegaconf import DictConfig, OmegaConf
from transformers import PretrainedConfig, PreTrainedModel

from rlvr.callbacks import PassAtKCallback
from rlvr.checkpoint import SafeCheckpointIO
from rlvr.data import ProblemSource, Splits, check_lengths, longest_sequence, write_report
from rlvr.errors import ConfigError
from rlvr.loggers import MetricsCsv, Tolerant
from rlvr.models import Checkpoint, trainable
from rlvr.preflight.machine import deterministic_kernels, device
from rlvr.preflight.plan import Plan
from rlvr.preflight.settings import devices_of
from rlvr.rollout import EngineFactory, Sampling, call_seed, gpu_gib, usual_cache_gib
from rlvr.training import PolicyModule, RolloutDataModule
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
    """Make or load the policy, and put the rooms together."""
    quiet()
    plugins = [SafeCheckpointIO(), *launcher(devices_of(cfg))]
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.deterministic:
        deterministic_kernels()
    source: ProblemSource = instantiate(cfg.data)
    source.prepare()
    filter_, loss = instantiate(cfg.algo.filter), instantiate(cfg.algo.loss)
    sampling = sampling_of(cfg, source)
    evaluated = Sampling(cfg.eval.max_new_tokens or sampling.max_new_tokens, cfg.eval.temperature, cfg.eval.top_p)
    policy, tokenizer, checkpoint = policy_of(cfg, source)
    verifier: Verifier = instantiate(cfg.verifier)
    splits = source.splits(tokenizer, verifier.readable)
    problems = {"train": splits.train, "heldout": splits.heldout}
    write_report(Path(cfg.paths.run_dir), splits.readings, problems, tokenizer)
    if len(splits.train) < cfg.batch.problems_per_step:
        raise ConfigError(
            f"batch.problems_per_step={cfg.batch.problems_per_step}: the pool has only {len(splits.train)} problems."
        )
    context = context_of(cfg, policy.config)
    check_lengths(splits.train, sampling.max_new_tokens, context)
    check_lengths(splits.heldout, 1, context)
    everything = [*splits.train, *splits.heldout]
    longest = max(
        longest_sequence(splits.train, sampling.max_new_tokens, context),
        longest_sequence(everything, evaluated.max_new_tokens, context),
    )
    data = RolloutDataModule(
        problems=splits.train,
        tokenizer=tokenizer,
        engine=engine_factory(cfg, longest),
        verifier=verifier,
        filter=filter_,
        loss=loss,
        sampling=sampling,
        seed=cfg.seed,
        **cfg.batch,
    )
    evaluate = evaluation(cfg, source, splits, evaluated, context)
    lora = instantiate(cfg.lora) if cfg.lora else None
    torch.manual_seed(call_seed(cfg.seed, "adapters"))  # whatever was drawn before, a warm start say
    module = PolicyModule(
        policy=trainable(policy, lora, cfg.gradient_checkpointing),
        surrogate=loss.surrogate,
        correction=instantiate(cfg.algo.correction) if cfg.algo.get("correction") else None,
        optimizer=instantiate(cfg.optimizer),
        warmup_steps=cfg.warmup_steps,
        lr_schedule=cfg.lr_schedule,
        temperature=sampling.temperature,
        minibatches_per_rollout=cfg.batch.minibatches_per_rollout,
        checkpoint=checkpoint,
    )
    callbacks = [
        *([instantiate(cfg.rollout.guard)] if "guard" in cfg.rollout else []),  # before the evaluation it vouches for
        evaluate,
        *map(instantiate, cfg.callbacks.values()),
    ]
    made = [instantiate(logger) for logger in cfg.logger.values()]
    loggers = [logger if isinstance(logger, MetricsCsv) else Tolerant(logger) for logger in made]
    trainer = instantiate(cfg.trainer, callbacks=callbacks, logger=loggers, plugins=plugins)
    # All this and the libraries live as long as the run: the garbage collector need not walk them at every step.
    gc.freeze()
    return Run(trainer, module, data, tokenizer)


def policy_of(cfg: DictConfig, source: ProblemSource) -> tuple[PreTrainedModel, Any, Checkpoint | None]:
    """The policy, its tokenizer, and, under ZeRO-3, the files in which its weights still are."""
    dtype = trained_dtype(cfg.trainer.precision, adapters=bool(cfg.lora))
    maker, place = instantiate(cfg.model), (source, cfg.seed, Path(cfg.paths.cache_dir))
    if OmegaConf.select(cfg, "trainer.strategy.stage") != 3:
        return (*maker.load(*place, dtype), None)
    checkpoint: Checkpoint = maker.checkpoint(*place)
    return checkpoint.hollow(dtype), checkpoint.tokenizer(), checkpoint


def engine_factory(cfg: DictConfig, longest: int, kv_cache_gib: float | None = None) -> EngineFactory:
    """The configured engine; one with weights of its own gets room for the run's longest sequence and no more.

    Args:
        cfg: The composed config.
        longest: Tokens of the longest prompt and completion together.
        kv_cache_gib: Its key-value cache where the config leaves that open; None: the engine's own default.
    """
    settings = {"max_model_len": longest, "kv_cache_gib": kv_cache_gib}
    engine = cfg.rollout.engine
    factory: EngineFactory = instantiate(engine, **{k: v for k, v in settings.items() if engine.get(k, ...) is None})
    return factory


def launcher(devices: int | None) -> list[ClusterEnvironment]:
    """Lightning starts the ranks itself where Slurm has started one process for all GPUs, as a job's script without
    srun; left to itself it would expect Slurm to have started them all.

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


def evaluation(
    cfg: DictConfig, source: ProblemSource, splits: Splits, sampling: Sampling, context: int
) -> PassAtKCallback:
    """The callback that evaluates base, path and trained policy as `eval` says."""
    problems = {"heldout": splits.heldout, "train": splits.train[: cfg.eval.train_problems]}
    asked = [problem.id for group in problems.values() for problem in group]
    engine = (cfg.rollout.engine._target_, cfg.rollout.engine.get("dtype"))
    rules = OmegaConf.to_container(cfg.verifier, resolve=True)
    return PassAtKCallback(
        problems=problems,
        n=cfg.eval.n,
        sampling=sampling,
        every_n_steps=cfg.eval.every_n_steps,
        path_problems=cfg.eval.path_problems,
        seed=cfg.seed,
        label=label(cfg),
        guess_rate=source.guess_rate,
        cache_dir=Path(cfg.paths.cache_dir),
        known=(asked, cfg.eval.n, sampling, context, cfg.seed, engine, rules),  # the context cuts completions
        run_dir=Path(cfg.paths.run_dir),
    )


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


def plan_of(cfg: DictConfig) -> Plan:
    """What the composed config asks for; reads no weights, asks no hub where the model's config says its size."""
    source: ProblemSource = instantiate(cfg.data)
    new_tokens = sampling_of(cfg, source).max_new_tokens
    config = instantiate(cfg.model).config(source)
    strategy = cfg.trainer.get("strategy")
    settings = strategy if isinstance(strategy, DictConfig) else {}
    on_gpu = cfg.trainer.accelerator == "cuda"
    device_gib = (gpu_gib(device()) or cfg.gpu_gib) if on_gpu else None
    devices = devices_of(cfg) or max(torch.cuda.device_count(), 1)
    engine = cfg.rollout.engine
    own_engine = "tensor_parallel_size" in engine
    context, eval_tokens = context_of(cfg, config), cfg.eval.max_new_tokens or new_tokens
    max_prompt_tokens = cfg.data.get("max_prompt_tokens") or context - new_tokens
    engine_dtype = engine.get("dtype") or ("bfloat16" if on_gpu else "float32")
    return Plan(
        config=config,
        problems_per_step=cfg.batch.problems_per_step,
        group_size=cfg.batch.group_size,
        minibatches_per_rollout=cfg.batch.minibatches_per_rollout,
        micro_batch_tokens=cfg.batch.micro_batch_tokens,
        max_steps=cfg.trainer.max_steps,
        max_prompt_tokens=max_prompt_tokens,
        max_new_tokens=new_tokens,
        eval_new_tokens=eval_tokens,
        ranks=devices * cfg.trainer.get("num_nodes", 1),
        zero_stage=settings.get("stage", 0),
        offload_optimizer=settings.get("offload_optimizer", False),
        lora_rank=cfg.lora.r if cfg.lora else None,
        gradient_checkpointing=cfg.gradient_checkpointing,
        precision=str(cfg.trainer.precision),
        context=context,
        engine_context=engine.get("max_model_len") or min(context, max_prompt_tokens + max(new_tokens, eval_tokens)),
        engine_bytes=getattr(torch, engine_dtype).itemsize,
        ranks_per_engine=engine.tensor_parallel_size if own_engine else 0,
        kv_cache_gib=(engine.kv_cache_gib or usual_cache_gib(device_gib)) if own_engine else 0.0,
        device_gib=device_gib,
    )


def context_of(cfg: DictConfig, config: PretrainedConfig) -> int:
    """Longest prompt and completion together that policy and engine can hold, in tokens."""
    return min(config.max_position_embeddings, cfg.rollout.engine.get("max_model_len") or sys.maxsize)


def label(cfg: DictConfig) -> str:
    """The published name of the composed pair, else `filter+loss`."""
    pair = f"{cfg.algo.filter.name}+{cfg.algo.loss.name}"
    return cfg.algo.name if pair == cfg.algo.pair else pair


def quiet() -> None:
    """Keep libraries' notes on things that are so by design out of the terminal."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*DeepSpeed handles gradient clipping internally.*")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
