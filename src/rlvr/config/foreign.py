"""Checks a `_target_` from outside this package, of which only the signature is known."""

import difflib
import inspect
import pkgutil
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.config.keys import Built
from rlvr.config.values import shown
from rlvr.errors import ConfigError, cause_of

PARTIAL = "_partial_"


def check_call(path: str, target: str, node: Mapping[str, Any], known: Sequence[str]) -> None:
    """Check that the callable exists and takes the keys that it is given.

    Args:
        path: Where it stands in the config.
        target: Its `_target_`.
        node: Its keys.
        known: The package's own targets for this place, one of which is suggested for a misspelt one.

    Raises:
        ConfigError: With one sentence on the target or on its first key that is unknown or missing.
    """
    called = _locate(path, target, known)
    for name, value in node.items():
        if isinstance(value, Mapping) and isinstance(value.get("_target_"), str):
            check_call(f"{path}.{name}", value["_target_"], value, ())
    try:
        parameters = inspect.signature(called).parameters
    except (TypeError, ValueError):  # some callables written in C don't have one
        return
    given = [name for name in node if not (name.startswith("_") and name.endswith("_"))]
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        for name in given:
            if name not in parameters:
                near = difflib.get_close_matches(name, parameters, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(parameters)}."
                raise ConfigError(f"{path}.{name}={shown(node[name])}: {target} has no such argument; {hint}")
    if node.get(PARTIAL) is True or "_args_" in node:
        return  # the other arguments come when it is called
    for name, parameter in parameters.items():
        named = parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        if named and parameter.default is inspect.Parameter.empty and name not in given:
            raise ConfigError(f"{path}.{name}: is missing, and {target} can't be called without it.")


def check_fit(path: str, target: str, node: Mapping[str, Any], declared: type[Built]) -> None:
    """Check that a target fits its slot: it takes the later arguments, or has the members of the slot's classes.

    Args:
        path: Where it stands in the config.
        target: Its `_target_`, which `check_call` has found.
        node: Its keys.
        declared: The declaration of the slot.

    Raises:
        ConfigError: With one sentence on what does not fit.
    """
    called = pkgutil.resolve_name(target)
    given = [name for name in node if not (name.startswith("_") and name.endswith("_"))]
    if declared.called_with and (fault := _refuses(called, declared.called_with, given)):
        raise ConfigError(f"{path}._target_={target}: is called with {_listed(declared.called_with)}, but {fault}.")
    if not declared.like or not isinstance(called, type):  # what a function builds is not known
        return
    like = pkgutil.resolve_name(declared.like)
    if not getattr(like, "_is_protocol", False):
        if not issubclass(called, like):
            raise ConfigError(f"{path}._target_={target}: must be a subclass of {declared.like}.")
        return
    for name in sorted(_members(like)):
        defined = any(name in vars(kind) for kind in called.__mro__)  # `getattr` would find the metaclass's __call__
        if not defined and name not in inspect.signature(called).parameters:
            raise ConfigError(f"{path}._target_={target}: has no {name}, which {declared.like} says.")
        if inspect.isfunction(getattr(like, name, None)):
            wanted = tuple(inspect.signature(getattr(like, name)).parameters)
            if fault := _refuses(getattr(called, name), wanted, ()):
                raise ConfigError(
                    f"{path}._target_={target}: its {name} is called with {_listed(wanted[1:])}, but {fault}."
                )


def _members(protocol: type) -> set[str]:
    """Methods and declared attributes of a protocol and of those that it extends."""
    own = [kind for kind in protocol.__mro__ if getattr(kind, "_is_protocol", False) and kind is not typing.Protocol]
    functions = {name for kind in own for name, value in vars(kind).items() if inspect.isfunction(value)}
    return {name for name in functions if name == "__call__" or not name.startswith("_")} | {
        name for kind in own for name in vars(kind).get("__annotations__", {})
    }


def _refuses(called: Any, positional: Sequence[str], given: Sequence[str]) -> str | None:
    """Why it can't be called with these positional arguments and those by name; None where it can."""
    try:
        inspect.signature(called).bind(*positional, **dict.fromkeys(given))
    except TypeError as error:
        return f"that is refused ({error})"
    return None


def _listed(arguments: Sequence[str]) -> str:
    return f"({', '.join(arguments)})"


def _locate(path: str, target: str, known: Sequence[str]) -> Any:
    try:
        found = pkgutil.resolve_name(target)
    except Exception as error:  # a module that is imported for it may raise anything
        near = difflib.get_close_matches(target, known, n=1)
        hint = f"did you mean {near[0]}" if near else cause_of(error)
        raise ConfigError(f"{path}._target_={target}: can't be imported ({hint}).") from None
    if not callable(found):
        raise ConfigError(f"{path}._target_={target}: is nothing that can be called.")
    return found
