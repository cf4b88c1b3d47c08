"""What a composed method learns from, as f(p), and what f(p) leaves out."""

from collections.abc import Iterator, Sequence

import torch
from omegaconf import DictConfig

from rlvr.algo.profile import NoProfileError, Profile, decides_before_sampling, divides_by_length, profile, remembers
from rlvr.build.parts import filter_of, loss_of
from rlvr.errors import ConfigError
from rlvr.names import name_of
from rlvr.preflight.method import own_worth

# Keys of `algo` that f(p) includes, and slots whose gradient is added to it. The correction for the engine is among
# the first, because it changes no expectation.
IN_PROFILE = {"filter", "loss", "shaping", "correction", "name", "pair"}
BESIDE = {"auxiliary", "replay"}


def profile_of(cfg: DictConfig, rates: Sequence[float]) -> Profile:
    """The profile of the method, f(p) among it, at these success rates.

    Raises:
        ConfigError: When the method's weight is not a function of a problem's success rate, or when the method has a
            slot for which this is not known.
    """
    if unknown := [str(slot) for slot in cfg.algo if cfg.algo[slot] and slot not in IN_PROFILE | BESIDE]:
        raise ConfigError(f"algo.{unknown[0]}: what it does to f(p) is not known, so there is none to show.")
    loss = loss_of(cfg)
    try:
        return profile(loss, filter_of(cfg), cfg.batch.group_size, torch.tensor(rates, dtype=torch.float64))
    except NoProfileError as error:
        raise ConfigError(f"{name_of(cfg)}: {error}, so what it learns from is no function of p.") from error


def notes_of(cfg: DictConfig) -> Iterator[str]:
    """What f(p) does not show of this method, one sentence for each fact."""
    filter = filter_of(cfg)
    if decides_before_sampling(filter):
        yield (
            f"filter {filter.name} decides before sampling, which multiplies f by the chance that it lets the problem "
            "through (SELF: that the greedy answer is wrong); p does not say that chance, so what remains is shown"
        )
    if remembers(filter):
        yield f"filter {filter.name} remembers earlier groups, so this is of problems seen for the first time"
    if divides_by_length(loss_of(cfg)):
        yield "each answer is divided by its length, so this is exact where all are equally long"
    for slot in sorted(BESIDE):
        if terms := cfg.algo.get(slot):
            yield f"algo.{slot} ({', '.join(map(str, terms))}) comes beside it"
    if (parts := cfg.batch.minibatches_per_rollout) > 1:
        yield f"exact for the first of {parts} minibatches; after it ratios are not 1 and clipping may bind"
    rewards = cfg.verifier.get("rewards") or {}
    if any(rewards.get(kind, worth) != worth for kind, worth in (("right", 1), ("wrong", 0), ("unformatted", 0))):
        yield "computed for rewards of 1 and 0, not for those of verifier.rewards"
    if own_worth(cfg.verifier):
        yield "computed for rewards of 1 and 0, not for those that the verifier gives"
