"""Checks of keys of one group against each other, after each key has been checked by itself."""

import math
from importlib.util import find_spec

from omegaconf import DictConfig, OmegaConf

# Packages of each logger, of which it needs one, and the extra that installs the first.
LOGGERS = {
    "lightning.pytorch.loggers.TensorBoardLogger": (("tensorboard", "tensorboardX"), "tensorboard"),
    "lightning.pytorch.loggers.WandbLogger": (("wandb",), "wandb"),
    "rlvr.loggers.wandb_logger": (("wandb",), "wandb"),
    "rlvr.loggers.mlflow_logger": (("mlflow",), "mlflow"),
    "rlvr.loggers.TrackioLogger": (("trackio",), "trackio"),
}


def countdown(cfg: DictConfig) -> str | None:
    """The range of targets is not empty, and chances sum to 1."""
    data = cfg.data
    if data._target_ == "rlvr.data.Countdown" and data.target_min > data.target_max:
        return f"data.target_min={data.target_min}: must not be above data.target_max={data.target_max}."
    chances = data.get("operator_shares")
    if chances is None or math.isclose(sum(chances), 1, abs_tol=1e-6):
        return None
    return f"data.operator_shares={list(chances)}: must sum to 1, not {sum(chances):g}."


def queens(cfg: DictConfig) -> str | None:
    """No more queens stand already than there are."""
    data = cfg.data
    if data._target_ != "rlvr.data.NQueens" or data.given < data.queens:
        return None
    return f"data.given={data.given}: must be below data.queens={data.queens}."


def model_size(cfg: DictConfig) -> str | None:
    """The heads of a model share its width evenly, and rotary embeddings turn pairs of a head's numbers."""
    size = cfg.model.get("size") or {}
    width, heads, head_dim = (size.get(name) for name in ("hidden_size", "num_attention_heads", "head_dim"))
    kv_heads = size.get("num_key_value_heads")
    if heads and kv_heads and heads % kv_heads:
        return f"model.size.num_key_value_heads={kv_heads}: must divide model.size.num_attention_heads={heads}."
    if head_dim is None and width and heads:
        if width % heads:
            return f"model.size.hidden_size={width}: must be divisible by model.size.num_attention_heads={heads}."
        head_dim = width // heads
    if head_dim and head_dim % 2:
        named = "model.size.head_dim" if size.get("head_dim") else "model.size.hidden_size"
        return (
            f"{named}={size.get('head_dim') or width}: a head would be {head_dim} wide, and rotary embeddings need an "
            "even width."
        )
    return None


def at_k(cfg: DictConfig) -> str | None:
    """K rollouts are fewer than there are: with all of them, every answer of a group would be worth the same."""
    loss, group, k = cfg.algo.loss, cfg.batch.group_size, OmegaConf.select(cfg, "algo.loss.advantage.k")
    if k is None:
        return None
    most = group - 1 if loss.advantage._target_.endswith(".passk") else group
    if k <= most:
        return None
    return f"algo.loss.advantage.k={k}: loss {loss.name} takes k from a group, and learns up to k={most} of {group}."


def rate(cfg: DictConfig) -> str | None:
    """NFT's surrogate reads the success rate off its own advantage. `method` checks that no filter weighs it."""
    loss = cfg.algo.loss
    if OmegaConf.select(cfg, "algo.loss.surrogate._target_") != "rlvr.algo.surrogates.nft":
        return None
    if loss.advantage._target_ != "rlvr.algo.success_advantages.nft":
        return "algo.loss.surrogate: NFT's needs NFT's advantage, which says the success rate; choose algo/loss=nft."
    if not {loss.signs.positive, loss.signs.negative} <= {0, 1}:
        return "algo.loss.signs: NFT's surrogate reads the success rate off the advantage; give 0 or 1."
    return None


def gate(cfg: DictConfig) -> str | None:
    """BBG lets some problems pass from which the loss can learn, at least when they are seen for the first time."""
    filter_, group, loss = cfg.algo.filter, cfg.batch.group_size, cfg.algo.loss
    if filter_._target_ not in ("rlvr.algo.BBG", "rlvr.algo.BBGPosterior"):
        return None
    first = 1 if loss.min_group > 1 else 0  # where rollouts are compared, a group without a right one teaches nothing
    largest = _gain(first, group, filter_.k) / (group + 1)  # the gain falls with every right rollout
    if filter_.tau <= largest:
        return None
    return (
        f"algo.filter.tau={filter_.tau}: the gate would drop every problem that loss {loss.name} can learn from; with "
        f"algo.filter.k={filter_.k} and batch.group_size={group} something passes up to {_floor(largest):g}."
    )


def bounds(cfg: DictConfig) -> str | None:
    """Clip-Cov draws tokens between two covariances, of which the lower must be below the upper."""
    choice = cfg.algo.get("token_weight")
    if not choice or choice._target_ != "rlvr.algo.ClipCov" or choice.low < choice.high:
        return None
    return f"algo.token_weight.low={choice.low}: must be below algo.token_weight.high={choice.high}."


def references(cfg: DictConfig) -> str | None:
    """At most one term may have a reference."""
    names = [name for name, term in (cfg.algo.get("auxiliary") or {}).items() if term._target_ == "rlvr.algo.KL"]
    if len(names) < 2:
        return None
    return f"algo.auxiliary: {' and '.join(names)} both hold the policy near a reference; keep one of them."


def cross(cfg: DictConfig) -> str | None:
    """With `eval.cross` the reference stays the base as long as the run lasts, and samples are not greedy."""
    if not cfg.eval.cross:
        return None
    if cfg.eval.temperature == 0:
        return "eval.temperature=0: greedy samples have no KL; raise it or give eval.cross=false."
    for name, term in (cfg.algo.get("auxiliary") or {}).items():
        if (n := term.get("reset_every_n_steps")) is not None:
            return (
                f"algo.auxiliary.{name}.reset_every_n_steps={n}: the reference would not stay the base that eval.cross "
                "compares with; give null, or eval.cross=false."
            )
    return None


def _gain(successes: int, group: int, k: int) -> float:
    """`rlvr.algo.filters.marginal_gain` without torch: k * prod_{j=1}^{k-1} (n-m+j) / (n+1+j)."""
    return k * math.prod((group - successes + j) / (group + 1 + j) for j in range(1, k))


def _floor(value: float) -> float:
    """Three digits, rounded down, so that what a sentence names is allowed."""
    scale = 10.0 ** (2 - math.floor(math.log10(value)))
    return math.floor(value * scale) / scale


def loggers(cfg: DictConfig) -> str | None:
    """Packages that only some loggers need."""
    for name, logger in cfg.logger.items():
        packages, extra = LOGGERS.get(logger._target_, ((), ""))
        if packages and not any(map(find_spec, packages)):
            return (
                f"logger.{name}: the package {packages[0]} is not installed; `pip install 'rlvr[{extra}]'` brings it."
            )
    return None


def callbacks(cfg: DictConfig) -> str | None:
    """A package that Lightning's DeviceStatsMonitor needs."""
    for name, callback in cfg.callbacks.items():
        if callback.get("_target_", "").endswith("DeviceStatsMonitor") and not find_spec("psutil"):
            return f"callbacks.{name}: the package psutil is not installed; `pip install psutil` brings it."
    return None


def tags(cfg: DictConfig) -> str | None:
    """There are tags, where the user has asked that they be required."""
    if cfg.extras.enforce_tags and not cfg.tags:
        return "tags=[]: none is given, and extras.enforce_tags asks for some; give tags=[ablation], say."
    return None


def devices(cfg: DictConfig) -> str | None:
    """At least one device, and no device twice."""
    given = cfg.trainer.devices
    indices = list(given) if OmegaConf.is_list(given) else None
    if given == 0 or indices == []:
        return f"trainer.devices={given}: must be at least one."
    if indices and len(set(indices)) < len(indices):
        return f"trainer.devices={indices}: names a device twice."
    return None


def objective(cfg: DictConfig) -> str | None:
    """The k of the objective is one at which Pass@k is measured."""
    k, n = cfg.objective, cfg.eval.n
    if k is None or (k <= n and k & (k - 1) == 0):
        return None
    return f"objective={k}: must be a power of two and at most eval.n={n}, where Pass@k is measured."
