"""Matches named values by their names. Where one side has no names, its values follow the usual order of the names."""

import re
from collections.abc import Sequence

from rlvr.verify.math.answer import Answer, Many
from rlvr.verify.math.single import One, split

_SUBSCRIPTED = re.compile(r"(.*)_\{([0-9]+)\}")


def named_in_order(a: Many, b: Many) -> list[tuple[Answer, Answer]] | None:
    """The pairs of (x, y) = (2, 3) and y = 3, x = 2, or of x = 2, y = 3 and (2, 3); None where names do not match."""
    if not {a.kind, b.kind} <= {"list", "()"} or len(a.items) != len(b.items):
        return None
    left, right = _names(a), _names(b)
    if not left and not right:
        return None
    if left and right and set(left) != set(right):
        return None
    order = _usual(left or right)
    return list(zip(_by(order, left, a), _by(order, right, b), strict=True))


def _names(answer: Many) -> list[str]:
    """The name of each value; empty where a value has none, or two have the same."""
    names = split(answer.name[1:-1], ",") if answer.name.startswith("(") else [item.name for item in answer.items]
    single = all(isinstance(item, One) for item in answer.items)
    return names if single and all(names) and len(set(names)) == len(names) == len(answer.items) else []


def _usual(names: Sequence[str]) -> list[str]:
    """The order in which values without names stand: x, y, z, or a_1, a_2; otherwise that of the given names."""
    if subscripted := list(filter(None, map(_SUBSCRIPTED.fullmatch, names))):
        if len(subscripted) == len(names) and len({match[1] for match in subscripted}) == 1:
            return [match[0] for match in sorted(subscripted, key=lambda match: int(match[2]))]
    elif all(len(name) == 1 for name in names):
        letters = sorted(names)
        if ord(letters[-1]) - ord(letters[0]) == len(letters) - 1:
            return letters
    return list(names)


def _by(order: Sequence[str], names: Sequence[str], answer: Many) -> list[Answer]:
    return [answer.items[names.index(name)] for name in order] if names else list(answer.items)
