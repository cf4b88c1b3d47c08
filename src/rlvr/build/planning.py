"""What the composed config asks for, as the plan that is checked before anything starts."""

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from rlvr.algo import NucleusEntropy
from rlvr.build.parts import context_of, engine_of, loss_of, objective_of, sampling_of, strategy_traits
from rlvr.data import ProblemSource
from rlvr.preflight.machine import device
from rlvr.preflight.plan import Plan
from rlvr.preflight.settings import devices_of
from rlvr.rollout import gpu_gib, usual_cache_gib


def plan_of(cfg: DictConfig) -> Plan:
    """What the composed config asks for; reads no weights, asks no hub where the model's config says its size."""
    source: ProblemSource = instantiate(cfg.data)
    new_tokens = sampling_of(cfg, source).max_new_tokens
    config = instantiate(cfg.model).config(source)
    objective = objective_of(cfg, loss_of(cfg))
    strategy, traits = strategy_traits(cfg), engine_of(cfg).traits
    on_gpu = cfg.trainer.accelerator == "cuda"
    device_gib = (gpu_gib(device()) or cfg.gpu_gib) if on_gpu else None
    devices = devices_of(cfg) or max(torch.cuda.device_count(), 1)
    context, eval_tokens = context_of(cfg, config), cfg.eval.max_new_tokens or new_tokens
    max_prompt_tokens = cfg.data.get("max_prompt_tokens") or context - new_tokens
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
