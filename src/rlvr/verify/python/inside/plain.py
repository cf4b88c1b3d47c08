"""Passes values between two processes that do not trust each other: as plain data, written as JSON.

The reader gets only Python's own types, however the text was made: no object that compares equal to everything, and no
code. Pickle could carry both.
"""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

MADE: dict[str, Callable[[list[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "iterator": iter,
}
ITEMS = 100_000  # an iterator with more items counts as endless


def dump(value: Any) -> bytes:
    """Write a value as one line of text.

    Raises:
        TypeError: When the value is not plain data.
        RecursionError: When it contains itself.
    """
    return json.dumps(_tagged(value)).encode() + b"\n"


def load(line: bytes) -> Any:
    """The value in a line.

    Raises:
        Exception: Of any kind, when `dump` has not written the line.
    """
    return _value(json.loads(line))


def _tagged(value: Any) -> Any:
    """Texts, booleans and None stay as they are. Everything else becomes a list of a tag and its content."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return ["int", hex(value)]  # Python itself refuses to write a very long one in decimals
    if isinstance(value, float):
        return ["float", float.hex(value)]
    if isinstance(value, complex):
        return ["complex", float.hex(value.real), float.hex(value.imag)]
    if isinstance(value, bytes | bytearray):
        return ["bytearray" if isinstance(value, bytearray) else "bytes", value.hex()]
    if isinstance(value, dict):
        return ["dict", *([_tagged(name), _tagged(one)] for name, one in value.items())]
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return [kind.__name__, *map(_tagged, value)]
    if isinstance(value, Iterator):
        items = list(islice(value, ITEMS + 1))
        if len(items) <= ITEMS:
            return ["iterator", *map(_tagged, items)]
    raise TypeError(f"{type(value).__name__} is no plain data, which alone passes between code and tests")


def _value(tagged: Any) -> Any:
    if not isinstance(tagged, list):
        return tagged
    kind, *parts = tagged
    if kind in ("int", "float", "complex"):
        numbers = [int(part, 16) if kind == "int" else float.fromhex(part) for part in parts]
        return complex(*numbers) if kind == "complex" else numbers[0]
    if kind in ("bytes", "bytearray"):
        return bytes.fromhex(parts[0]) if kind == "bytes" else bytearray.fromhex(parts[0])
    if kind == "dict":
        return {_value(name): _value(one) for name, one in parts}
    return MADE[kind]([_value(part) for part in parts])
