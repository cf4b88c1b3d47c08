"""Tries a method on made-up groups: refuses one that learns nothing, and names choices that have no effect.

This is not in `settings`, since it imports torch, which takes seconds.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from omegaconf import DictConfig
from torch import Tensor

from rlvr.algo import Filter, Loss, Outcomes
from rlvr.config.targets import TARGETS
from rlvr.errors import ConfigError

# Surrogates that equal PPO's where every ratio is 1, and the usual clip of PPO's.
CLIPPED = {"gspo_clip", "gmpo", "cispo", "topr", "aspo"}
USUAL_CLIP = 0.2


def check_method(cfg: DictConfig, loss: Loss, filter: Filter) -> list[str]:
    """Give groups with 0 to n right answers, short and long ones, to the composed method.

    Returns:
        One sentence for each choice that has no effect.

    Raises:
        ConfigError: When nothing would be learned from any group.
    """
    outcomes = made_up(cfg)
    success_P = outcomes.right_PG.sum(dim=1)
    weight_P = filter.after(success_P, cfg.batch.group_size)
    if fault := _fault(cfg, loss, filter, outcomes, weight_P):
        raise ConfigError(fault)
    return [*_shaping(loss, filter, outcomes, weight_P), *_clips(cfg, loss), *_terms(cfg)]


def made_up(cfg: DictConfig) -> Outcomes:
    """Three groups for each number of right answers: one far from the length limit, one up to the limit with right
    answers the shortest, and one up to the limit with right answers the longest.

    Wrong answers get rewards that the verifier may give. They are all equal only where it gives just one such reward.
    """
    n, verifier = cfg.batch.group_size, cfg.verifier
    given = verifier.get("rewards") or {}
    right, wrong, unformatted = (float(given.get(kind, kind == "right")) for kind in ("right", "wrong", "unformatted"))
    place_G = torch.arange(n)
    wrong_G = torch.where(place_G % 2 == 0, wrong, unformatted)
    if verifier.get("partial") or own_worth(verifier):
        wrong_G = wrong_G + place_G / n * (right - wrong)
    right_MG = place_G < torch.arange(n + 1)[:, None]
    length_G = place_G + 1.0
    length_PG = torch.stack([length_G, n + length_G, (n + length_G).flip(0)]).repeat_interleave(n + 1, dim=0)
    right_PG = right_MG.repeat(3, 1)
    return Outcomes(
        torch.where(right_PG, right, wrong_G),
        right_PG,
        length_PG,
        truncated_PG=length_PG == 2 * n,
        logp_PG=-length_PG,
        max_tokens=2 * n,
        standalone_logp_PG=-2 * length_PG,
    )


def own_worth(verifier: DictConfig) -> bool:
    """Whether a verifier may give a wrong answer any reward: a user's own verifier, or one that declares this."""
    declared = TARGETS.get(verifier._target_)
    return declared is None or bool(getattr(declared, "own_worth", False))


def _fault(cfg: DictConfig, loss: Loss, filter: Filter, outcomes: Outcomes, weight_P: Tensor) -> str | None:
    n, success_P = cfg.batch.group_size, outcomes.right_PG.sum(dim=1)
    passing = sorted(set(success_P[weight_P > 0].tolist()))
    if not passing:
        return f"algo.filter: {filter.name} drops every group of batch.group_size={n}, whatever is right in it."
    if cfg.algo.loss.surrogate._target_.endswith(".nft") and bool(((weight_P != 0) & (weight_P != 1)).any()):
        return (
            f"algo.filter: NFT's surrogate reads the success rate off the advantage, which {filter.name} would weigh."
        )
    everywhere_PG = loss.advantages(outcomes, torch.ones_like(weight_P))
    if not bool(everywhere_PG.isfinite().all()):
        return f"batch.group_size={n}: loss {loss.name} has advantages that are no numbers in groups of {n}; raise it."
    if cfg.algo.get("auxiliary") or cfg.algo.get("replay"):  # these learn from more than advantages
        return None
    if not bool(everywhere_PG.any()):
        return (
            f"algo.loss: with batch.group_size={n}, algo.loss.signs={dict(loss.signs)} and these rewards, {loss.name} "
            "gives no completion an advantage, whatever is right: nothing would be learned."
        )
    if not bool(loss.advantages(outcomes, weight_P).any()):
        return (
            f"algo.filter: {filter.name} lets through groups with {_listed(passing)} of {n} right, in which loss "
            f"{loss.name} has no advantage, so nothing would be learned; choose another of the two."
        )
    return None


def _shaping(loss: Loss, filter: Filter, outcomes: Outcomes, weight_P: Tensor) -> Iterator[str]:
    """Find a shaping without effect: advantages that depend only on what is right do not change with the rewards."""
    if loss.shaping is None:
        return
    shaped_PG = loss.advantages(outcomes, weight_P)
    plain_PG = replace(loss, shaping=None).advantages(outcomes, weight_P)
    if torch.allclose(shaped_PG, plain_PG, rtol=1e-4):
        yield (
            f"algo.shaping has no effect: it changes rewards, of which advantages of loss {loss.name} do not depend "
            f"in the groups that filter {filter.name} lets through."
        )


def _clips(cfg: DictConfig, loss: Loss) -> Iterator[str]:
    """Find clips without effect: before the only update on a rollout the policy has not moved."""
    surrogate = cfg.algo.loss.surrogate
    name = surrogate._target_.removeprefix("rlvr.algo.").rpartition(".")[2]
    unusual = name == "ppo_clip" and {surrogate.clip_low, surrogate.clip_high} != {USUAL_CLIP}
    if cfg.batch.minibatches_per_rollout == 1 and (name in CLIPPED or unusual):
        yield (
            "algo.loss.surrogate: with batch.minibatches_per_rollout=1 every ratio is 1 and no clip binds, so "
            f"{loss.name} moves the policy as GRPO's surrogate would; more minibatches tell them apart."
        )


def _terms(cfg: DictConfig) -> Iterator[str]:
    """Find additional terms whose gradient is 0, or is 0 on average."""
    for name, term in (cfg.algo.get("auxiliary") or {}).items():
        if term._target_ == "rlvr.algo.KLCov" and cfg.batch.minibatches_per_rollout == 1:
            yield (
                f"algo.auxiliary.{name}: trains nothing with batch.minibatches_per_rollout=1, where every ratio is 1 "
                "and |log ratio| has no slope; give at least 2."
            )
        if term._target_ == "rlvr.algo.KL" and term.estimator == "k1":
            yield (
                f"algo.auxiliary.{name}.estimator=k1: as a loss it has a gradient of mean 0, and only adds noise; k2 "
                "and k3 hold the policy near the reference."
            )


def _listed(counts: list[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{', '.join(map(str, counts[:-1]))} or {counts[-1]}"
