"""What tables, figures and folders call a method, a policy and a run. Needs neither Hydra nor torch."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def name_of(cfg: Mapping[str, Any], model: str = "") -> str:
    """The method that a training's config composes, or the policy that an evaluation's config loads.

    Args:
        cfg: The composed config. Its `label` is the name where it has one. A training is named by the published name
            of its pair of filter and loss, else by `filter+loss`; a policy by its folder's run or by its hub name.
        model: The model's config group, for a policy that has neither.
    """
    if cfg.get("label") is not None:
        return str(cfg["label"])
    if "algo" in cfg:
        pair = pair_of(cfg["algo"])
        return str(cfg["algo"]["name"]) if pair == cfg["algo"]["pair"] else pair
    if not (name := cfg["model"].get("name")):
        return model
    path = PurePath(name)
    return path.parent.name if path.name == "policy" else path.name


def pair_of(algo: Mapping[str, Any]) -> str:
    """`filter+loss`, with whatever else is composed; sweeps' folders are called so."""
    slots = ("filter", "loss", "shaping", "token_weight", "replay")
    named = [str(algo[slot]["name"]) for slot in slots if algo.get(slot)]
    return "+".join([*named, *sorted(algo.get("auxiliary") or {})])


def run_name(method: str, seed: object) -> str:
    """One run among those of several methods and seeds."""
    return f"{method}, seed {seed}"
