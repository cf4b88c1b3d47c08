"""Refuses settings that can't work, in one sentence, before anything long or costly starts."""

from collections.abc import Callable, Iterable

from omegaconf import DictConfig, ListConfig, OmegaConf

from rlvr.config import Confirm, Evaluate, Profile, Train, check_types
from rlvr.errors import ConfigError
from rlvr.folders import unwritable
from rlvr.preflight import rules
from rlvr.preflight.rewards import rewards

Check = Callable[[DictConfig], str | None]
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true")
# At 1e-6, 500 steps of Adam change a rank-16 adapter's product by about 5e-5, but bf16 resolves only 1e-4 near 0.02.
LOWEST_ADAPTER_LR = 5e-6


def check(cfg: DictConfig) -> None:
    """Check every key by itself, then the keys against each other.

    Raises:
        ConfigError: With the sentence of the first check that fails.
    """
    check_types(cfg, Train)
    _first_fault(cfg, (*TOGETHER, rules.countdown, rules.queens, rules.model_size, *METHOD, *PACKAGES, rewards))


def check_evaluation(cfg: DictConfig) -> None:
    """The same for `eval.py`'s config.

    Raises:
        ConfigError: With the sentence of the first check that fails.
    """
    check_types(cfg, Evaluate)
    _first_fault(cfg, (_evaluation, _cross, rules.countdown, rules.queens, rules.model_size, rewards, unwritable))


def check_confirmation(cfg: DictConfig) -> None:
    """The same for `confirm.py`'s config.

    Raises:
        ConfigError: With the sentence of the first check that fails.
    """
    check_types(cfg, Confirm)
    _first_fault(cfg, (unwritable,))


def check_profile(cfg: DictConfig) -> None:
    """Only the checks of a method, for `profile_method.py`'s config.

    Raises:
        ConfigError: With the sentence of the first check that fails.
    """
    check_types(cfg, Profile)
    _first_fault(cfg, (*METHOD, unwritable))


def _first_fault(cfg: DictConfig, checks: Iterable[Check]) -> None:
    for find_fault in checks:
        if fault := find_fault(cfg):
            raise ConfigError(fault)


def _adapters(cfg: DictConfig) -> str | None:
    rate = cfg.optimizer.get("lr")
    if not cfg.get("lora") or rate is None or rate >= LOWEST_ADAPTER_LR:
        return None
    return (
        f"optimizer.lr={rate}: too low for lora, whose adapters start at 0 and move by about that much a "
        "step, less than the weights' rounding; give ten times the rate of full fine-tuning, 1e-5 say."
    )


def _group_size(cfg: DictConfig) -> str | None:
    loss, group = cfg.algo.loss, cfg.batch.group_size
    if group >= loss.min_group:
        return None
    return (
        f"batch.group_size={group}: loss {loss.name} compares the rollouts of a group and needs at least "
        f"{loss.min_group}; raise it or choose algo/loss=nsr, psr or w_reinforce."
    )


def _divisible(cfg: DictConfig) -> str | None:
    problems = cfg.batch.problems_per_step
    parts = cfg.batch.minibatches_per_rollout
    if problems % parts:
        return (
            f"batch.problems_per_step={problems}: must be divisible by batch.minibatches_per_rollout={parts}, "
            "so that every optimizer step has as many problems."
        )
    ranks = ranks_of(cfg)
    if problems % (ranks * parts):
        return (
            f"batch.problems_per_step={problems}: must be divisible by {ranks} ranks (trainer.devices) times "
            f"batch.minibatches_per_rollout={parts}."
        )
    return None


def _pool(cfg: DictConfig) -> str | None:
    size, problems = cfg.data.get("train_size"), cfg.batch.problems_per_step
    if size is not None and size < problems:
        return (
            f"data.train_size={size}: the pool is smaller than one batch of batch.problems_per_step={problems}; "
            "enlarge the pool or shrink the batch."
        )
    if cfg.pool is not None and cfg.pool < problems:
        return f"pool={cfg.pool}: is smaller than one batch of batch.problems_per_step={problems}; raise it."
    heldout, along = cfg.data.get("heldout_size"), cfg.eval.path_problems
    if heldout is not None and heldout < along:
        return f"eval.path_problems={along}: the data set has only data.heldout_size={heldout} held-out problems."
    return None


def _on_policy(cfg: DictConfig) -> str | None:
    top_p = cfg.rollout.sampling.top_p
    if top_p != 1:
        return (
            f"rollout.sampling.top_p={top_p}: must be 1 in training, since the log-probabilities of a truncated "
            "distribution bias every ratio; eval.top_p is free."
        )
    return None


def _evaluation(cfg: DictConfig) -> str | None:
    n = cfg.eval.n
    if n & (n - 1):
        return f"eval.n={n}: must be a power of two, so that Pass@k at k = 1, 2, 4, .. n ends at n."
    k = OmegaConf.select(cfg, "callbacks.early_stopping.k")
    if k is not None and not 1 <= k <= n:
        return f"callbacks.early_stopping.k={k}: must be between 1 and eval.n={n}, the samples that evaluations draw."
    return None


def _strategy(cfg: DictConfig) -> str | None:
    name = OmegaConf.select(cfg, "trainer.strategy")
    if isinstance(name, str) and name not in STRATEGIES and not name.startswith(("deepspeed", "fsdp")):
        return f"trainer.strategy={name}: must be one of {', '.join(STRATEGIES)}, or a group that builds one."
    if isinstance(name, str) and name not in STRATEGIES:
        return (
            f"trainer.strategy={name}: Lightning's own divides the loss twice and rounds RoPE's frequencies; "
            "choose trainer=deepspeed_zero2, deepspeed_zero3 or ddp."
        )
    return None


def devices_of(cfg: DictConfig) -> int | None:
    """Devices of a machine, given as a number or by their indices; None: as many as there are."""
    devices = cfg.trainer.devices
    if isinstance(devices, ListConfig):
        return len(devices)
    return devices if isinstance(devices, int) and devices > 0 else None


def ranks_of(cfg: DictConfig) -> int:
    """Ranks of all machines; one where their number is left to Lightning."""
    return (devices_of(cfg) or 1) * int(cfg.trainer.get("num_nodes", 1))


def _suite(cfg: DictConfig) -> str | None:
    if cfg.eval.get("suite") is None:
        return None
    return (
        "eval.suite: a suite is for src/eval.py; a run evaluates on the held-out problems of its data, so choose "
        "eval=default or published here."
    )


def _cross(cfg: DictConfig) -> str | None:
    if not cfg.eval.cross:
        return None
    return "eval.cross=true: compares a trained policy with its base, and both are there in src/train.py only."


METHOD: tuple[Check, ...] = (_group_size, rules.gate, rules.at_k, rules.rate, rules.bounds, rules.references)
PACKAGES: tuple[Check, ...] = (rules.loggers, rules.callbacks)
TOGETHER: tuple[Check, ...] = (
    rules.tags,
    _suite,
    _adapters,
    rules.devices,
    _divisible,
    _pool,
    _on_policy,
    _evaluation,
    rules.objective,
    rules.cross,
    _strategy,
    unwritable,
)
