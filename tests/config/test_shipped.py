"""What ships passes, every key of it is declared and documented, and the declarations know their classes."""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rlvr.config import Evaluate, Train, check_types
from rlvr.config.docs import PAGE, page
from rlvr.config.foreign import check_call
from rlvr.config.groups.trainer import Trainer
from rlvr.config.keys import Built, Group, Rule
from rlvr.config.targets import TARGETS
from rlvr.config.values import groups_of, members
from rlvr.errors import ConfigError
from rlvr.preflight.rules import _gain
from tests.test_configs import CHOICES, CONFIGS, NEEDED

# Made by build.py, and so no settings.
MADE_ELSEWHERE = {"self", "callbacks", "logger", "plugins"}


def composed(*overrides: str, entry: str = "train"):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(entry, ["paths.run_dir=run", *overrides])


@pytest.mark.parametrize("choice", [choice for choice in CHOICES if choice != "eval=suite"])  # which names no set
def test_every_choice_passes(choice: str):
    """So every key that any of them composes is declared, since a key that is not is refused."""
    check_types(composed(choice, *NEEDED.get(choice, [])), Train)


@pytest.mark.parametrize("choice", ["default", "published", "aime25", "files"])
def test_every_kind_of_evaluation_passes(choice: str):
    check_types(composed(f"eval={choice}", *NEEDED.get(f"eval={choice}", []), entry="eval"), Evaluate)


@pytest.mark.parametrize(
    "overrides",
    [
        ["+trainer.num_nodes=2", "+trainer.limit_train_batches=2"],
        ["~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=1.0"],
        ["+trainer.strategy._target_=lightning.pytorch.strategies.SingleDeviceStrategy", "+trainer.strategy.device=x"],
        ["trainer=deepspeed_zero2", "+trainer.strategy.timeout._target_=datetime.timedelta"],
        ["+callbacks.timer._target_=lightning.pytorch.callbacks.Timer", "+callbacks.timer.duration=00:12:00:00"],
        ["~callbacks.collapse"],
        ["lora=rank16", "lora.target_modules=[q_proj,v_proj]", "+lora.lora_dropout=0.1"],
        ["+model.size.rope_theta=1000000"],
        ["trainer.devices=[2,3]"],
        ["trainer.devices=auto"],
        ["trainer.gradient_clip_val=null"],
        ["data=files", "data.train.path=a", "data.heldout.path=b", "+data/suite@data.keep_apart.aime25=aime25"],
        ["data=reasoning_gym", "+data.settings.max_terms=4"],
        ["logger=tensorboard"],
    ],
)
def test_what_a_user_may_add_passes(overrides: list[str]):
    """Further arguments of Lightning's, classes from elsewhere, names of one's own."""
    check_types(composed(*overrides), Train)


def test_the_page_is_current():
    """`python -m rlvr.config.docs` writes it."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("target", TARGETS)
def test_declarations_match_their_classes(target: str):
    """Declared keys are arguments, and an argument without a default is declared."""
    package = target.partition(".")[0]
    called: Callable[..., Any] = (
        pkgutil.resolve_name(target)
        if package == "rlvr"
        else pytest.importorskip(package) and (pkgutil.resolve_name(target))
    )
    parameters = inspect.signature(called).parameters
    group = TARGETS[target]
    names = {*group.keys(), *group.unchecked}
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        assert names <= set(parameters)
    if not group.called_later:
        named = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        needed = {parameter.name for parameter in named if parameter.default is parameter.empty}
        declared = {name for name, (_, rule) in group.keys().items() if not rule.optional}
        assert needed <= declared


def test_the_trainers_further_arguments_are_lightnings():
    """All of them, but for those that are made elsewhere."""
    import lightning

    known = set(inspect.signature(lightning.Trainer.__init__).parameters)
    assert set(Trainer.unchecked) | set(Trainer.keys()) == known - MADE_ELSEWHERE


def leaves(node: Any, group: type[Group], path: str = "") -> Iterator[tuple[str, Any, Rule]]:
    """Each declared key of a composed config that holds no further keys."""
    if isinstance(group, type) and issubclass(group, Built):
        group = TARGETS[node["_target_"]]
    for name, (annotation, rule) in group.keys().items():
        here = f"{path}{name}"
        inner = groups_of(annotation)
        if name not in node:
            continue
        if inner and isinstance(node[name], dict):
            yield from leaves(node[name], inner[0], f"{here}.") if node[name] else ()
        elif isinstance(node[name], dict):
            for key, item in node[name].items():
                yield from leaves(item, groups_of(annotation.__args__[1])[0], f"{here}.{key}.")
        else:
            yield here, annotation, rule


def wrong(annotation: Any, rule: Rule) -> Iterator[Any]:
    """Values that a key must not hold, by its type and its bounds, told apart from how the walker does it."""
    kinds = set(members(annotation))
    names = [name for part in kinds for name in getattr(part, "__args__", ())]
    yield {"a": 1}
    if annotation is Any:
        return
    if type(None) not in kinds:
        yield None
    if str not in kinds:
        yield "nonsense"
    if bool not in kinds and kinds & {int, float, str}:
        yield True
    if int in kinds and float not in kinds:
        yield 1.5
    if not kinds & {int, float}:
        yield 12345
    if float in kinds:
        yield from (float("nan"), float("inf"))
    if rule.low is not None and -1 not in names:
        yield rule.low - 1
    if rule.above is not None:
        yield rule.above
    if rule.high is not None:
        yield rule.high + 1
    if rule.below is not None:
        yield rule.below


@pytest.mark.parametrize(
    "overrides",
    [
        ["algo=bbg", "rollout=vllm", "trainer=deepspeed_zero3_offload", "lora=rank16", "callbacks=early_stopping"],
        pytest.param(["experiment=self_qwen7b", "logger=wandb", "callbacks=interference"], marks=pytest.mark.full),
    ],
)
def test_every_key_refuses_what_it_must_not_hold(overrides: list[str]):
    """One key at a time."""
    plain = OmegaConf.to_container(composed(*overrides), resolve=True)
    tried = 0
    for path, annotation, rule in leaves(plain, Train):
        for value in wrong(annotation, rule):
            if annotation is Any:
                continue
            cfg = OmegaConf.create(plain)
            OmegaConf.update(cfg, path, value, merge=False)
            with pytest.raises(ConfigError) as caught:
                check_types(cfg, Train)
            # A key that may hold names and texts says which of them is wrong.
            places = (f"{path}=", f"{path}.a=") if value is not None else (f"{path}=null",)
            assert str(caught.value).startswith(places), (path, value)
            tried += 1
    assert tried > 300


def test_arguments_that_a_class_lacks():
    """By its signature alone."""
    check_call("x", "datetime.timedelta", {"_target_": "datetime.timedelta", "hours": 2}, ())
    check_call("x", "fractions.Fraction", {"numerator": 2, "_partial_": True}, ())
    with pytest.raises(ConfigError, match=r"x\.duration: is missing, and statistics\.NormalDist|x\.k: is missing"):
        check_call("x", "random.sample", {"population": []}, ())
    with pytest.raises(ConfigError, match=r"x\._target_=string\.digits: is nothing that can be called"):
        check_call("x", "string.digits", {}, ())


def test_the_gain_is_the_filters():
    """Once with torch, once without."""
    import torch

    from rlvr.algo.filters import marginal_gain

    with_torch = marginal_gain(torch.arange(9), 8, 16).tolist()
    assert [_gain(m, 8, 16) for m in range(9)] == pytest.approx(with_torch)
