"""Checks a composed config against the declarations, key by key, and says in one sentence what is wrong."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlvr.config.foreign import check_call, check_fit
from rlvr.config.keys import Built, Group, Rule
from rlvr.config.targets import TARGETS
from rlvr.config.values import allowed, fits, groups_of, members, one_of, shown
from rlvr.errors import ConfigError

HYDRAS_OWN = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
MISSING = "???"
RESOLVING = " raised while resolving interpolation: "  # OmegaConf writes this after the kind of a resolver's error


@dataclass(frozen=True)
class Unresolved:
    """Stands where an interpolation can't be resolved."""

    sentence: str


def check_types(cfg: DictConfig, declared: type[Group]) -> None:
    """Check every key of a config.

    Args:
        cfg: The config that an entry script has composed.
        declared: The declaration of that script's config.

    Raises:
        ConfigError: With one sentence on the first key that is unknown, missing or out of its range.
    """
    plain = _read("", cfg)
    _check_group("", plain, declared)
    for fault in _unresolved(plain):  # for example in the arguments of a class from outside this package
        raise ConfigError(fault.sentence)


def near(name: str, names: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing where no name is similar."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def _read(path: str, node: Any) -> Any:
    """Plain values with interpolations resolved. One that can't be resolved is reported when its own key is checked,
    since an earlier key, such as a group that is null, may be the cause."""
    if isinstance(node, DictConfig):
        return None if node._is_none() else {name: _item(_join(path, name), node, name) for name in node}
    if isinstance(node, ListConfig):
        return None if node._is_none() else [_item(f"{path}[{index}]", node, index) for index in range(len(node))]
    return node


def _item(path: str, node: Any, name: Any) -> Any:
    if OmegaConf.is_missing(node, name):
        return MISSING
    try:
        return _read(path, node[name])
    except OmegaConfBaseException as error:
        written = OmegaConf.to_container(node, resolve=False)
        # The message of an error that `from_file` raises is written for users.
        reason = str(error).partition("\n")[0].rstrip(".").removeprefix(f"ConfigError{RESOLVING}")
        return Unresolved(f"{path}={written[name]}: can't be resolved ({reason}).")  # type: ignore[index]


def _unresolved(node: Any) -> Iterator[Unresolved]:
    if isinstance(node, Unresolved):
        yield node
    elif isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _unresolved(item)


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)


def _check_group(path: str, node: Mapping[str, Any], declared: type[Group]) -> None:
    keys = declared.keys()
    for name in node:
        if name not in keys and not (name in HYDRAS_OWN and issubclass(declared, Built)):
            _check_undeclared(_join(path, name), name, node[name], declared)
    for name, (annotation, rule) in keys.items():
        if name in node:
            _check_key(_join(path, name), node[name], annotation, rule)
        elif not rule.optional:
            raise ConfigError(f"{_join(path, name)}: is missing; it must be {allowed(annotation, rule)}: {rule.line}.")


def _check_undeclared(path: str, name: str, value: Any, declared: type[Group]) -> None:
    known = [*declared.keys(), *declared.unchecked]
    if name in declared.unchecked:
        return
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    if declared.forgiving and not similar:
        return
    hint = near(name, known) or f"; here are {', '.join(declared.keys())}."
    raise ConfigError(f"{path}={shown(value)}: there is no such key{hint}")


def _check_key(path: str, value: Any, annotation: Any, rule: Rule) -> None:
    if isinstance(value, Unresolved):
        raise ConfigError(value.sentence)
    if value == MISSING:
        raise ConfigError(f"{path}: not given; it must be {allowed(annotation, rule)}: {rule.line}.")
    inner = _of_mapping(annotation)
    if inner is not None and isinstance(value, Mapping):
        for name, item in value.items():
            _check_key(_join(path, name), item, inner, rule)
        return
    groups = groups_of(annotation)
    if groups and isinstance(value, Mapping):
        if value or type(None) not in members(annotation):  # an empty choice such as lora=none composes to nothing
            _check_node(path, value, groups[0])
        return
    if not fits(value, annotation, rule):
        raise ConfigError(f"{path}={shown(value)}: must be {allowed(annotation, rule)}{_meant(value, annotation)}.")


def _of_mapping(annotation: Any) -> Any | None:
    """What a `dict[str, X]` of declared values holds; None for other annotations."""
    for part in members(annotation):
        if getattr(part, "__origin__", None) is dict and part.__args__[1] is not Any:
            return part.__args__[1]
    return None


def _meant(value: Any, annotation: Any) -> str:
    """Which of the names was probably meant, where a name was mistyped."""
    names = [str(name) for part in members(annotation) for name in getattr(part, "__args__", ())]
    found = difflib.get_close_matches(str(value), names, n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found else ""


def _check_node(path: str, node: Mapping[str, Any], declared: type[Group]) -> None:
    """Check a group of keys: by the class that it builds, where it builds something."""
    if not issubclass(declared, Built):
        return _check_group(path, node, declared)
    target = node.get("_target_")
    choices = [name for name, group in TARGETS.items() if issubclass(group, declared)]
    if isinstance(target, Unresolved):
        raise ConfigError(target.sentence)
    if not isinstance(target, str) or target == MISSING:
        raise ConfigError(f"{path}._target_={shown(target)}: must name what is built here, such as {choices[0]}.")
    if declared.called_later and node.get("_partial_") is not True:
        raise ConfigError(f"{path}._partial_: must be true, since further arguments are given when it is called.")
    group = TARGETS.get(target)
    if group is None:
        check_call(path, target, node, choices)
        return _check_own(path, target, node, declared)
    if group not in (TARGETS[name] for name in choices):
        raise ConfigError(f"{path}._target_={target}: does not belong here; it must be {one_of(choices)}, or your own.")
    return _check_group(path, node, group)


def _check_own(path: str, target: str, node: Mapping[str, Any], declared: type[Group]) -> None:
    """Check a user's own choice for a slot: it must take the slot's call, and have the keys that all choices have."""
    assert issubclass(declared, Built)
    if not (declared.called_with or declared.like):
        return
    check_fit(path, target, node, declared)
    for name, (annotation, rule) in declared.keys().items():
        if name in node:
            _check_key(_join(path, name), node[name], annotation, rule)
        elif not rule.optional and not declared.called_with:
            raise ConfigError(f"{_join(path, name)}: is missing; it must be {allowed(annotation, rule)}: {rule.line}.")
