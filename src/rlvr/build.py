"""From a composed config to the objects of a run. Apart from the entry scripts, the only place that knows Hydra."""

import gc
import hashlib
import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
import transformers
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from transformers import PretrainedConfig, PreTrainedModel

from rlvr.callbacks import PassAtKCallback
from rlvr.data import ProblemSource, Splits, write_report
from rlvr.errors import ConfigError
from rlvr.loggers import MetricsCsv, Tolerant
from rlvr.plan import GIB, Plan
from rlvr.resume import SafeCheckpointIO
from rlvr.rollout import Sampling, call_seed, usual_cache_gib
from rlvr.training import PolicyModule, RolloutDataModule, trainable
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
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    source: ProblemSource = instantiate(cfg.data)
    source.prepare()
    filter_, loss = instantiate(cfg.algo.filter), instantiate(cfg.algo.loss)
    sampling = sampling_of(cfg, source)
    policy, tokenizer = instantiate(cfg.model).load(source, cfg.seed, Path(cfg.paths.cache_dir))
    verifier: Verifier = instantiate(cfg.verifier)
    splits = source.splits(tokenizer, verifier.readable)
    problems = {"train": splits.train, "heldout": splits.heldout}
    write_report(Path(cfg.paths.run_dir), splits.readings, problems, tokenizer)
    if len(splits.train) < cfg.batch.problems_per_step:
        raise ConfigError(
            f"batch.problems_per_step={cfg.batch.problems_per_step}: the pool has only {len(splits.train)} problems."
        )
    check_lengths(splits, sampling.max_new_tokens, context_of(cfg, policy.config))
    data = RolloutDataModule(
        problems=splits.train,
        tokenizer=tokenizer,
        engine=instantiate(cfg.rollout.engine),
        verifier=verifier,
        filter=filter_,
        loss=loss,
        sampling=sampling,
        seed=cfg.seed,
        **cfg.batch,
    )
    evaluate = evaluation(cfg, source, splits, policy, sampling)
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
    )
    callbacks = [
        *([instantiate(cfg.rollout.guard)] if "guard" in cfg.rollout else []),  # before the evaluation it vouches for
        evaluate,
        *map(instantiate, cfg.callbacks.values()),
    ]
    made = [instantiate(logger) for logger in cfg.logger.values()]
    loggers = [logger if isinstance(logger, MetricsCsv) else Tolerant(logger) for logger in made]
    trainer = instantiate(cfg.trainer, callbacks=callbacks, logger=loggers, plugins=[SafeCheckpointIO()])
    # All this and the libraries live as long as the run: the garbage collector need not walk them at every step.
    gc.freeze()
    return Run(trainer, module, data, tokenizer)


def evaluation(
    cfg: DictConfig, source: ProblemSource, splits: Splits, policy: PreTrainedModel, sampling: Sampling
) -> PassAtKCallback:
    """The callback that evaluates base, path and trained policy as `eval` says."""
    problems = {"heldout": splits.heldout, "train": splits.train[: cfg.eval.train_problems]}
    asked = [problem.id for group in problems.values() for problem in group]
    drawn = Sampling(sampling.max_new_tokens, cfg.eval.temperature, cfg.eval.top_p)
    engine = cfg.rollout.engine._target_
    rules = OmegaConf.to_container(cfg.verifier, resolve=True)
    known = (fingerprint(policy), asked, cfg.eval.n, drawn, cfg.seed, engine, rules)
    key = hashlib.sha256(repr(known).encode()).hexdigest()
    return PassAtKCallback(
        problems=problems,
        n=cfg.eval.n,
        sampling=drawn,
        every_n_steps=cfg.eval.every_n_steps,
        path_problems=cfg.eval.path_problems,
        seed=cfg.seed,
        label=label(cfg),
        guess_rate=source.guess_rate,
        base_cache=Path(cfg.paths.cache_dir) / f"eval-{key[:12]}",
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
    here_gib = torch.cuda.get_device_properties(0).total_memory / GIB if torch.cuda.is_available() else cfg.gpu_gib
    device_gib = here_gib if on_gpu else None
    wanted = cfg.trainer.devices
    devices = wanted if isinstance(wanted, int) and wanted > 0 else max(torch.cuda.device_count(), 1)
    engine = cfg.rollout.engine
    own_engine = "tensor_parallel_size" in engine
    max_prompt_tokens = cfg.data.get("max_prompt_tokens") or context_of(cfg, config) - new_tokens
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
        ranks=devices * cfg.trainer.get("num_nodes", 1),
        zero_stage=settings.get("stage", 0),
        offload_optimizer=settings.get("offload_optimizer", False),
        lora_rank=cfg.lora.r if cfg.lora else None,
        gradient_checkpointing=cfg.gradient_checkpointing,
        precision=str(cfg.trainer.precision),
        context=context_of(cfg, config),
        engine_context=engine.get("max_model_len") or max_prompt_tokens + new_tokens,
        engine_bytes=getattr(torch, engine_dtype).itemsize,
        ranks_per_engine=engine.tensor_parallel_size if own_engine else 0,
        kv_cache_gib=(engine.kv_cache_gib or usual_cache_gib(device_gib)) if own_engine else 0.0,
        device_gib=device_gib,
    )


def context_of(cfg: DictConfig, config: PretrainedConfig) -> int:
    """Longest prompt and completion together that policy and engine can hold, in tokens."""
    return min(config.max_position_embeddings, cfg.rollout.engine.get("max_model_len") or sys.maxsize)


def check_lengths(splits: Splits, max_new_tokens: int, context: int) -> None:
    """Refuse problems whose answers would not fit.

    Raises:
        ConfigError: With the longest prompt's id and length.
    """
    longest = max([*splits.train, *splits.heldout], key=lambda problem: len(problem.prompt_ids))
    length = len(longest.prompt_ids)
    if length + max_new_tokens > context:
        raise ConfigError(
            f"Problem {longest.id}: its prompt of {length} tokens and rollout.sampling.max_new_tokens={max_new_tokens} "
            f"do not fit into the context of {context} tokens (the policy's, or rollout.engine.max_model_len); "
            "shorten one of them, or leave long prompts out with data.max_prompt_tokens."
        )


def label(cfg: DictConfig) -> str:
    """The published name of the composed pair, else `filter+loss`."""
    pair = f"{cfg.algo.filter.name}+{cfg.algo.loss.name}"
    return cfg.algo.name if pair == cfg.algo.pair else pair


def fingerprint(policy: PreTrainedModel) -> str:
    """A short hash of the weights, so that cached results never belong to other weights."""
    digest = hashlib.sha256()
    for name, tensor in policy.state_dict().items():
        moments = (tensor.double().sum().item(), tensor.double().square().sum().item())
        digest.update(repr((name, tuple(tensor.shape), moments)).encode())
    return digest.hexdigest()[:12]


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
