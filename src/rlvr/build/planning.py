"""Makes the plans of memory and time from the composed config. They are checked before anything starts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rlvr.algo import Filter, NucleusEntropy
from rlvr.build.parts import context_of, engine_of, filter_of, loss_of, objective_of, sampling_of, strategy_traits
from rlvr.data import ProblemSource
from rlvr.models import Demonstrator, MadePolicy
from rlvr.preflight.assumed import (
    BF16_ON_CPU,
    ON_CPU,
    ON_GPU,
    POLICY_ON_GPU,
    SMALL,
    SMALL_ON_CPU,
    Evaluations,
    Lengths,
    Utilisation,
)
from rlvr.preflight.duration import TimePlan
from rlvr.preflight.machine import device
from rlvr.preflight.plan import Plan
from rlvr.preflight.settings import devices_of
from rlvr.rollout import gpu_gib, usual_cache_gib
from rlvr.speed.flops import Passed
from rlvr.speed.peaks import Peak, compute_dtype, listed_peak, peak_of
from rlvr.types import Problem

# The GPU that is assumed, by its memory in GiB (`gpu_gib`), where this machine does not have the GPU itself.
LIKELY = {24: "NVIDIA RTX 4090", 48: "NVIDIA L40S", 80: "NVIDIA H100", 141: "NVIDIA H200"}
HELDOUT = 500  # problems of a set whose size is not known before it is read


def plan_of(cfg: DictConfig) -> Plan:
    """The plan of the composed config. Reads no weights, and asks no hub where the model's config gives its size."""
    source: ProblemSource = instantiate(cfg.data)
    new_tokens = sampling_of(cfg, source).max_new_tokens
    config = instantiate(cfg.model).config(source)
    objective = objective_of(cfg, loss_of(cfg))
    strategy, traits = strategy_traits(cfg), engine_of(cfg).traits
    on_gpu = cfg.trainer.accelerator == "cuda"
    device_gib = (gpu_gib(device()) or cfg.gpu_gib) if on_gpu else None
    devices = devices_of(cfg) or max(torch.cuda.device_count(), 1)
    context, eval_tokens = context_of(cfg, config), cfg.eval.max_new_tokens or new_tokens
    max_prompt_tokens = cfg.data.get("max_prompt_tokens") or longest_prompt(source, context - new_tokens)
    engine_dtype = traits.dtype or ("bfloat16" if on_gpu else "float32")
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
        zero_stage=strategy.zero_stage,
        offload_optimizer=strategy.offload_optimizer,
        lora_rank=cfg.lora.r if cfg.lora else None,
        gradient_checkpointing=cfg.gradient_checkpointing,
        precision=str(cfg.trainer.precision),
        entropy_gradient=objective.entropy_gradient,
        context=context,
        engine_context=traits.context or min(context, max_prompt_tokens + max(new_tokens, eval_tokens)),
        engine_bytes=getattr(torch, engine_dtype).itemsize,
        ranks_per_engine=traits.ranks_per_engine if traits.own_weights else 0,
        kv_cache_gib=usual_cache_gib(device_gib) if traits.kv_cache_gib is None else traits.kv_cache_gib,
        device_gib=device_gib,
        nucleus=any(isinstance(statistic, NucleusEntropy) for statistic in objective.statistics),
        reference=objective.kl is not None or cfg.eval.cross,
    )


def longest_prompt(source: ProblemSource, room: int) -> int:
    """A bound where the settings have none: a made task's own prompts, a token a byte; else all that there is room for.

    Args:
        source: The problems.
        room: Tokens of the context that a completion leaves.
    """
    if not isinstance(source, Demonstrator):
        return room
    pairs = source.demonstrations(np.random.default_rng(0), 64)
    return min(room, max(len(prompt.encode()) for prompt, _ in pairs))


def time_plan_of(cfg: DictConfig, plan: Plan) -> TimePlan:
    """How long the run will take. On a CPU, and on a GPU that is in no table, matrix products are timed for this."""
    source: ProblemSource = instantiate(cfg.data)
    maker, filter_, traits = instantiate(cfg.model), filter_of(cfg), engine_of(cfg).traits
    lengths = lengths_of(source, plan)
    trained = compute_dtype(plan.precision)
    engine = {2: torch.bfloat16, 4: torch.float32}[plan.engine_bytes] if traits.own_weights else trained
    shown = 0
    if isinstance(maker, MadePolicy) and not maker.folder(source, cfg.seed, Path(cfg.paths.cache_dir)).exists():
        shown = maker.steps * maker.batch_size
    return TimePlan(
        plan=plan,
        sampling=_peak(plan, engine),
        training=_peak(plan, trained),
        assumed=_utilisation(plan, traits.own_weights, trained),
        lengths=lengths,
        evaluations=evaluations_of(cfg),
        greedy=_asks_greedily(filter_),
        refill=filter_.refill,
        scorings=int(plan.minibatches_per_rollout > 1) + int(plan.reference),
        warm_start=Passed.of(lengths.prompt, [lengths.completion]) * shown,
    )


def lengths_of(source: ProblemSource, plan: Plan) -> Lengths:
    """Lengths of the task's own right answers, where the task can show some; else guesses from the limits."""
    if isinstance(source, Demonstrator):
        pairs = source.demonstrations(np.random.default_rng(0), 64)
        prompt, answer = (fmean(len(pair[part]) for pair in pairs) for part in (0, 1))
        return Lengths(prompt, answer + 1, "as right answers of this task have, a token a character")
    guessed = "guesses, a quarter and a half of the limits"
    return Lengths(plan.max_prompt_tokens / 4, plan.max_new_tokens / 2, guessed)


def evaluations_of(cfg: DictConfig) -> Evaluations:
    """The evaluations that `eval` asks for, on the held-out problems of the data."""
    known = cfg.data.get("heldout_size") or OmegaConf.select(cfg, "data.heldout.limit")
    heldout = known or HELDOUT
    return Evaluations(
        n=cfg.eval.n,
        whole=heldout + cfg.eval.train_problems,
        path=min(cfg.eval.path_problems, heldout) + min(cfg.eval.path_problems, cfg.eval.train_problems),
        every_n_steps=cfg.eval.every_n_steps,
        said_by=f"{heldout} problems are held out" + ("" if known else ", a guess"),
    )


def _peak(plan: Plan, dtype: torch.dtype) -> Peak:
    """The peak of this machine's device, or of the GPU that is probably meant."""
    if plan.device_gib is None or torch.cuda.is_available():
        return peak_of(device() if plan.device_gib else torch.device("cpu"), dtype)
    meant = plan.device_gib
    found = listed_peak(LIKELY[min(LIKELY, key=lambda gib: abs(gib - meant))], dtype)
    assert found is not None  # all of them are listed
    return replace(found, said_by=f"{found.said_by}, which gpu_gib={meant:g} is taken for")


def _utilisation(plan: Plan, own_weights: bool, trained: torch.dtype) -> Utilisation:
    if plan.device_gib is not None:
        return ON_GPU if own_weights else POLICY_ON_GPU
    if plan.config.hidden_size < SMALL:
        return SMALL_ON_CPU.over(torch.get_num_threads())
    return BF16_ON_CPU if trained == torch.bfloat16 else ON_CPU


def _asks_greedily(filter_: Filter) -> bool:
    """Whether the filter wants greedy answers. To find out, it is given a problem."""
    asked: list[Problem] = []

    def solved_greedily(problems: Sequence[Problem]) -> list[bool]:
        asked.extend(problems)
        return [False] * len(problems)

    filter_.before([Problem("", "", (0,), "")], solved_greedily)
    return bool(asked)
