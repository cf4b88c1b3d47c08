"""Methods in a user's own file: found, checked by their own signatures, and refused in one sentence."""

import importlib
import os
import pkgutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rlvr.checkpoint.changes import changes
from rlvr.config import Train, check_types
from rlvr.errors import ConfigError
from rlvr.plugins import from_file, leave_copies
from tests.test_configs import CONFIGS

FILE = """
from dataclasses import dataclass

from rlvr.algo import Filter, Loss


def surrogate(logp_BT, old_logp_BT, advantage_BT, mask_BT, sharpness):
    return -advantage_BT * logp_BT * sharpness, mask_BT.bool()


def advantage(rewards, lengths):
    return rewards


def centred(outcomes):
    return outcomes.reward_PG - outcomes.reward_PG.mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class Half(Filter):
    share: float = 0.5


@dataclass(frozen=True)
class Whole:
    name: str
    refill: bool
    max_rounds: int


@dataclass(frozen=True)
class Bonus:
    name: str

    def __call__(self, outcomes):
        return outcomes.reward_PG + 1


@dataclass(frozen=True)
class Mute:
    name: str


@dataclass(frozen=True)
class Term:
    entropy_gradient = False

    def __call__(self, tokens):
        return tokens.entropy_BT


@dataclass(frozen=True)
class TwoTerm:
    entropy_gradient = False

    def __call__(self, tokens, more):
        return tokens.entropy_BT


@dataclass(frozen=True)
class NoTerm:
    def __call__(self, tokens):
        return tokens.entropy_BT
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the folder where the command is started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    return tmp_path / "mine.py"


def composed(*overrides: str):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", ["paths.run_dir=run", *overrides])


def target(slot: str, name: str, file: str = "mine.py") -> str:
    """An override."""
    return f"algo.{slot}._target_='${{from_file:{file},{name}}}'"


GRPO = ["algo=grpo", "~algo.loss.surrogate"]
SURROGATE = [*GRPO, "+algo.loss.surrogate._partial_=true", f"+{target('loss.surrogate', 'surrogate')}"]
ADVANTAGE = ["algo=grpo", target("loss.advantage", "centred")]
FILTER = ["algo=grpo", target("filter", "Half"), "+algo.filter.share=0.25"]
SHAPING = ["algo=grpo", "+algo.shaping.name=bonus", f"+{target('shaping', 'Bonus')}"]
TERM = ["algo=grpo", f"+{target('auxiliary.mine', 'Term')}"]


@pytest.mark.parametrize(
    "overrides", [[*SURROGATE, "+algo.loss.surrogate.sharpness=2.0"], ADVANTAGE, FILTER, SHAPING, TERM]
)
def test_what_fits_is_taken(mine: Path, overrides: list[str]):
    """In each kind of slot, and Hydra builds it."""
    cfg = composed(*overrides)
    check_types(cfg, Train)
    instantiate(cfg.algo)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["algo=grpo", target("filter", "Half", "nowhere.py")], "algo.filter._target_=${from_file:nowhere.py,Half}: "),
        (
            ["algo=grpo", target("filter", "Halve")],
            "algo.filter._target_=${from_file:mine.py,Halve}: can't be resolved (mine.py defines no Halve; did",
        ),
        (
            ["algo=grpo", target("filter", "X", "broken.py")],
            "algo.filter._target_=${from_file:broken.py,X}: can't be resolved (broken.py can't be run (ModuleNot",
        ),
        (
            SURROGATE,
            "algo.loss.surrogate._target_=MODULE.surrogate: is called with (logp_BT, old_logp_BT, adv",
        ),
        (
            [*SURROGATE, "+algo.loss.surrogate.sharp=2.0"],
            "algo.loss.surrogate.sharp=2.0: MODULE.surrogate has no such argument; did you mean sharpness?",
        ),
        (
            ["algo=grpo", target("loss.advantage", "advantage")],
            "algo.loss.advantage._target_=MODULE.advantage: is called with (outcomes), but that is refused (missing a "
            "required argument: 'lengths').",
        ),
        (
            ["algo=grpo", target("filter", "Whole")],
            "algo.filter._target_=MODULE.Whole: must be a subclass of rlvr.algo.Filter.",
        ),
        ([*FILTER, "algo.filter.max_rounds=0"], "algo.filter.max_rounds=0: must be a whole number above 0."),
        ([*FILTER, "~algo.filter.name"], "algo.filter.name: is missing; it must be text: what tables call it."),
        (
            ["algo=grpo", "+algo.shaping.name=x", f"+{target('shaping', 'Mute')}"],
            "algo.shaping._target_=MODULE.Mute: has no __call__, which rlvr.algo.shaping.Shaping says.",
        ),
        (
            ["algo=grpo", f"+{target('auxiliary.mine', 'TwoTerm')}"],
            "algo.auxiliary.mine._target_=MODULE.TwoTerm: its __call__ is called with (tokens), but",
        ),
        (
            ["algo=grpo", f"+{target('auxiliary.mine', 'NoTerm')}"],
            "algo.auxiliary.mine._target_=MODULE.NoTerm: has no entropy_gradient, which rlvr.algo.auxiliary.Auxiliary",
        ),
    ],
)
def test_what_does_not_fit_is_refused(mine: Path, overrides: list[str], sentence: str):
    """Before anything starts, in one sentence."""
    with pytest.raises(ConfigError) as caught:
        check_types(composed(*overrides), Train)
    module = from_file("mine.py", "Half").partition(".")[0]
    assert str(caught.value).startswith(sentence.replace("MODULE", module))
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_a_changed_setting(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Which a run that goes on refuses; what was run is kept, and can be run from there."""
    before = composed(*FILTER)
    OmegaConf.resolve(before)
    mine.write_text(FILE.replace("share: float = 0.5", "share: float = 0.6"))
    after = composed(*FILTER)
    (change,) = changes(before, after)
    assert change.fixed
    assert change.key == "algo.filter._target_"
    leave_copies(tmp_path / "kept")
    module, _, name = before.algo.filter._target_.rpartition(".")
    assert (tmp_path / "kept" / f"{module}.py").read_text() == FILE
    monkeypatch.syspath_prepend(tmp_path / "kept")
    monkeypatch.delitem(__import__("sys").modules, module)
    assert getattr(importlib.import_module(module), name)().share == 0.5


def test_a_change_within_a_clock_tick_is_run(mine: Path):
    """Of the same length, too, which Python's own cache of compiled files would miss."""
    assert pkgutil.resolve_name(from_file("mine.py", "Half"))().share == 0.5
    written = mine.stat()
    mine.write_text(FILE.replace("share: float = 0.5", "share: float = 0.6"))
    os.utime(mine, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert pkgutil.resolve_name(from_file("mine.py", "Half"))().share == 0.6
