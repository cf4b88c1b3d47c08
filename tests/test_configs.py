"""The whole configs/ tree composes, and every class it names exists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, get_method
from omegaconf import DictConfig, OmegaConf

from rlvr.names import pair_of

CONFIGS = Path(__file__).parents[1] / "configs"
# What the user must give before a config of this name means anything.
NEEDED = {
    "data=files": ["data.train.path=a.csv", "data.heldout.path=b.csv"],
    "eval=files": ["eval.path=a.csv"],
    "model=pretrained": ["model.name=x"],
    "verifier=function": ["verifier.function=examples/rewards.py:short"],
}
SLOTS = "filter loss shaping token_weight correction auxiliary"
GROUPS = "model lora data algo rollout verifier eval trainer logger callbacks extras"
CHOICES = [
    f"{group}={path.stem}"
    for group in [*GROUPS.split(), *(f"algo/{slot}" for slot in SLOTS.split()), "paths", "debug", "experiment"]
    for path in sorted((CONFIGS / group).glob("*.yaml"))
]
CHOICES.remove("trainer=base")  # what the other trainers inherit from, not a choice


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` below a node."""
    if isinstance(node, dict):
        yield from ([node["_target_"]] if "_target_" in node else [])
        for value in node.values():
            yield from targets(value)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes_and_its_targets_exist(choice: str):
    """Each option of each group on top of the default."""
    overrides = [choice, "paths.run_dir=run", *NEEDED.get(choice, [])]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", overrides)
    plain = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    names = set(targets(plain))
    assert len(names) > 10
    for name in names:
        try:
            get_class(name)
        except ValueError:
            get_method(name)


@pytest.mark.parametrize("entry", ["train", "eval", "report", "profile"])
def test_every_entry_composes(entry: str):
    """With Hydra's own settings in."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        assert isinstance(compose(entry, return_hydra_config=True), DictConfig)


SLOTS = {path.name for path in (CONFIGS / "algo").iterdir() if path.is_dir()} - {"correction"}  # the engine's business


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith("algo=")])
def test_algo_names_choose_in_every_slot(choice: str):
    """What is not in a method's list of choices can't be chosen beside it."""
    listed = OmegaConf.load(CONFIGS / "algo" / f"{choice.removeprefix('algo=')}.yaml").defaults
    assert {name for entry in listed for name in entry} == SLOTS


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice.startswith("algo=")])
def test_algo_names_stand_for_their_pair(choice: str):
    """`pair` says what the YAML composes."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        algo = compose("train", [choice]).algo
    assert algo.pair == pair_of(algo)
