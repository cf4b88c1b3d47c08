"""Checks a value against its annotation and rule, and says in words what is allowed."""

import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rlvr.config.keys import Group, Rule

PLAIN = {bool: "true or false", str: "text", Any: "anything"}


def members(annotation: Any) -> tuple[Any, ...]:
    """The parts of a union, or the annotation alone."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return typing.get_args(annotation)
    return (annotation,)


def groups_of(annotation: Any) -> list[type[Group]]:
    """The declarations among the parts of a union."""
    return [part for part in members(annotation) if isinstance(part, type) and issubclass(part, Group)]


def fits(value: Any, annotation: Any, rule: Rule) -> bool:
    """Whether a plain value is of the type and in the range; a group of keys fits nothing here."""
    return any(_fits(value, part, rule) for part in members(annotation))


def _fits(value: Any, part: Any, rule: Rule) -> bool:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if part is Any:
        return True
    if part is type(None):
        return value is None
    if origin is Literal:
        return any(value == name and type(value) is type(name) for name in arguments)
    if part in (int, float):
        kinds = int if part is int else int | float
        return isinstance(value, kinds) and not isinstance(value, bool) and in_range(value, rule)
    if origin is list:
        return isinstance(value, list) and all(fits(item, arguments[0], rule) for item in value)
    if origin is tuple:
        return (
            isinstance(value, list)
            and len(value) == len(arguments)
            and all(fits(item, kind, rule) for item, kind in zip(value, arguments, strict=True))
        )
    if origin is dict:
        return isinstance(value, Mapping)
    return isinstance(part, type) and not issubclass(part, Group) and isinstance(value, part)


def in_range(value: float, rule: Rule) -> bool:
    """Whether a number is finite and within the rule's bounds."""
    return (
        math.isfinite(value)
        and (rule.low is None or value >= rule.low)
        and (rule.above is None or value > rule.above)
        and (rule.high is None or value <= rule.high)
        and (rule.below is None or value < rule.below)
    )


def allowed(annotation: Any, rule: Rule) -> str:
    """What a key may hold, in words that follow "must be"."""
    names = [
        name for part in members(annotation) if typing.get_origin(part) is Literal for name in typing.get_args(part)
    ]
    said = [one_of(names)] if names else []
    rest = [part for part in members(annotation) if typing.get_origin(part) is not Literal and part is not type(None)]
    said += [_allowed(part, rule) for part in rest]
    if type(None) in members(annotation):
        said.append("null")
    return ", or ".join(dict.fromkeys(said))


def _allowed(part: Any, rule: Rule) -> str:
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if part in (int, float):
        number = "a whole number" if part is int else "a number"
        bounds = range_of(rule, whole=part is int)
        return f"{number}{' ' + bounds if bounds else ''}{f' ({rule.unit})' if rule.unit else ''}"
    if origin is list:
        return f"a list, each item {allowed(arguments[0], rule)}"
    if origin is tuple:
        return f"a list of {len(arguments)}, each {allowed(arguments[0], rule)}"
    return PLAIN.get(part, "a group of keys")


def range_of(rule: Rule, whole: bool) -> str:
    """The bounds in words; empty where there is none."""
    if rule.low is not None and rule.high is not None:
        return f"from {number(rule.low)} to {number(rule.high)}"
    low = "" if rule.low is None else f"of at least {number(rule.low)}"
    if whole and rule.low == 1:
        low = "above 0"
    lower = low if rule.above is None else f"above {number(rule.above)}"
    higher = "" if rule.high is None else f"at most {number(rule.high)}"
    upper = higher if rule.below is None else f"below {number(rule.below)}"
    if not lower and rule.high is not None:
        return f"of {upper}"
    return " and ".join(bound for bound in (lower, upper) if bound)


def number(value: float) -> str:
    """A number as text, without superfluous digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def one_of(names: Sequence[Any]) -> str:
    """`a`, `a or b`, `one of a, b, c`."""
    texts = [shown(name) for name in names]
    return " or ".join(texts) if len(texts) < 3 else f"one of {', '.join(texts)}"


def shown(value: Any) -> str:
    """A value as one would write it in YAML or on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{shown(item)}" for name, item in value.items()) + "}"
    text = " ".join(str(value).split())
    return text if len(text) < 100 else f"{text[:97]}..."
