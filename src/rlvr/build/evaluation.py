"""What `src/eval.py` does once its settings are checked: load, sample, grade, and write what was found."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rlvr.build import context_of, engine_kind, engine_of, quiet, rules_of, sampling_of, sized_engine
from rlvr.console import console
from rlvr.data import check_lengths, longest_sequence, write_report
from rlvr.eval import Job, SampleStore, evaluation_key, judge_again, outcome_of, sample
from rlvr.memory import keep_freed_memory
from rlvr.models import PolicySource
from rlvr.names import name_of
from rlvr.preflight.activations import GIB
from rlvr.preflight.machine import check_machine, deterministic_kernels, device
from rlvr.ranks import Ranks, leave_group
from rlvr.rollout import (
    Host,
    RolloutEngine,
    Sampling,
    alone_cache_gib,
    call_seed,
    engine_dtype,
    gpu_gib,
    named_weights,
)
from rlvr.verify import Verifier


def evaluate(cfg: DictConfig, run_dir: Path) -> None:
    """One policy on one set of problems."""
    check_machine(cfg, [engine_of(cfg).traits.package])
    quiet()
    if cfg.deterministic:
        deterministic_kernels()
    ranks = Ranks.launched()
    pool, suite = instantiate(cfg.data), cfg.eval.get("suite")
    source = instantiate(suite) if suite else pool
    source.prepare()
    tokens = cfg.eval.get("max_new_tokens") or sampling_of(cfg, source).max_new_tokens
    sampling = Sampling(tokens, cfg.eval.temperature, cfg.eval.top_p)
    model: PolicySource = instantiate(cfg.model)
    policy, tokenizer = model.load(pool, cfg.seed, Path(cfg.paths.cache_dir), dtype=None)
    verifier = instantiate(cfg.verifier)
    splits = source.splits(tokenizer, verifier.readable)
    check_lengths(splits.heldout, 1, context_of(cfg, policy.config))
    job = Job(splits.heldout, cfg.eval.n, sampling, call_seed(cfg.seed, "eval"), rules_of(cfg))
    if ranks.rank == 0:
        write_report(run_dir, splits.readings, {"heldout": splits.heldout}, tokenizer)
        OmegaConf.save(cfg, run_dir / "config.yaml", resolve=True)
    store = draw(cfg, job, policy, tokenizer, verifier, ranks)
    leave_group()
    if ranks.rank == 0:
        chosen = HydraConfig.get().runtime.choices
        outcome_of(job, store, name_of(cfg, chosen["model"]), chosen["eval"]).write(run_dir)


def draw(cfg: DictConfig, job: Job, policy: Any, tokenizer: Any, verifier: Verifier, ranks: Ranks) -> SampleStore:
    """Add to the store of this policy's samples, drawn with these settings, until it has all that the job asks for."""
    context = context_of(cfg, policy.config)
    longest = longest_sequence(job.problems, job.sampling.max_new_tokens, context)
    key = evaluation_key(named_weights(policy), job.seed, job.sampling, context, engine_kind(cfg))
    store = SampleStore(Path(cfg.paths.log_dir) / "samples" / key)
    if ranks.rank == 0 and (again := judge_again(job, verifier, store)):
        console.print(f"{again} samples of other grading rules were judged again.")
    ranks.barrier()
    keep_freed_memory()
    engine = engine_alone(cfg, policy, tokenizer, longest)
    engine.sync(0)
    sample(job, engine, verifier, store, ranks)
    ranks.barrier()
    engine.close()
    return store


def engine_alone(cfg: DictConfig, policy: Any, tokenizer: Any, longest: int) -> RolloutEngine:
    """The engine without a trainer. The policy goes to the GPU only where the engine has no weights of its own."""
    place = device()
    traits = engine_of(cfg).traits
    if not traits.own_weights:
        policy = policy.to(place)
    size = engine_dtype(traits.dtype, place, policy.dtype).itemsize / traits.ranks_per_engine
    cache_gib = alone_cache_gib(gpu_gib(place), policy.num_parameters() * size / GIB)
    host = Host(policy, tokenizer, lambda: named_weights(policy), place)
    return sized_engine(cfg, longest, cache_gib).build(host)
