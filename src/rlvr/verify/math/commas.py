"""Tells commas that separate thousands from commas that separate values, and removes the first kind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_NUMBER = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
_BRACKET = re.compile(r'"[^"]*"|\\?[{}()\[\]]|, ')
_MARKED = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!)(?=[0-9]{3}(?![0-9]))")


@dataclass
class Level:
    """The text between two brackets, without the brackets inside it.

    Attributes:
        bracket: The opening bracket; empty outside all brackets.
        spaced: Whether the text contains a comma followed by a space.
    """

    bracket: str
    spaced: bool = False


def without_marked(text: str) -> str:
    r"""Join the numbers that LaTeX writes as 1{,}234 and 1,\!234; the commas of a list look different."""
    return _MARKED.sub("", text)


def without_spaced(tex: str) -> str:
    """Join numbers such as 10,000 where a comma and a space separate the values: 10,000, 20,000."""
    return _joined(tex, lambda level: level.spaced)


def without_outer(tex: str) -> str:
    """Join 1,234 to one number, but not inside ( or [: (1,256) holds two."""
    return _joined(tex, lambda level: level.bracket in ("", "{"))


def _joined(tex: str, wanted: Callable[[Level], bool]) -> str:
    if "," not in tex:
        return tex
    pieces, end = [], 0
    for start, stop, level in list(_numbers(tex)):
        if wanted(level):
            pieces += [tex[end:start], tex[start:stop].replace(",", "")]
            end = stop
    return "".join([*pieces, tex[end:]])


def _numbers(tex: str) -> Iterator[tuple[int, int, Level]]:
    """Start, end and level of each number that may have separators. Levels are complete once the iterator has ended."""
    found = [match.span() for match in _NUMBER.finditer(tex)][::-1]
    levels = [Level("")]
    for mark in _BRACKET.finditer(tex):
        while found and found[-1][0] < mark.start():
            yield (*found.pop(), levels[-1])
        if mark[0] == ", ":
            levels[-1].spaced = True
        elif mark[0][-1] in "([{":
            levels.append(Level(mark[0]))
        elif mark[0][-1] in ")]}" and len(levels) > 1:
            levels.pop()
    while found:
        yield (*found.pop(), levels[-1])
