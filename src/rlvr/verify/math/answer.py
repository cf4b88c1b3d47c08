r"""Reads an answer as one value with its unit and name, or as several values, ordered or not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from rlvr.verify.math.asked import value_of
from rlvr.verify.math.commas import without_outer
from rlvr.verify.math.latex import clean
from rlvr.verify.math.single import One, approximations, chain, one, split


@dataclass(frozen=True)
class Many:
    """Several values.

    Attributes:
        kind: `list` and `set` have no order; a pair of brackets such as `[)`, `:`, `matrix` and `row` have one.
        items: The values.
        name: The name of what has these values, as (x,y) in (x,y) = (2,3); empty where none is given.
    """

    kind: str
    items: tuple["Answer", ...]
    name: str = ""


Answer = One | Many

_GREEK = r"\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|Delta|Omega) ?"
_VARIABLE = rf"(?:[A-Za-z]|{_GREEK})(?:_\{{[^{{}}]*\}})?"
_DECORATION = r"\\(?:angle|triangle|overline|vec|hat|bar|tilde|widehat|measuredangle) ?"
_SYMBOL = rf"(?:{_GREEK}|[A-Z]{{2,5}}|[A-Za-z]|\"[^\"]*\")"
_NAME = re.compile(
    rf"((?:m?(?:{_DECORATION})?\{{?{_SYMBOL}\}}?(?:'|_\{{[^{{}}]*\}}|\^\{{-1\}})*(?:\([^()=]*\))?"
    rf"|\({_VARIABLE}(?:,{_VARIABLE})+\)|\[[A-Z]{{3,}}\]|\|[A-Z]{{2}}\|)?)(?:=|\\in(?![A-Za-z])|\\approx) ?"
)
_RELATION = re.compile(r"(<|>|\\leq ?|\\geq ?)")
_MATRIX = re.compile(r"\\begin\{matrix\}(.*)\\end\{matrix\}")
_BUILDER = re.compile(rf"{_VARIABLE}(?:\\in\\mathbb\{{R\}})?[:|](.+)")
_OPEN, _CLOSE = "([{", ")]}"


@lru_cache(maxsize=8192)
def _spelled(text: str) -> tuple[str, str]:
    """An answer in `clean`'s spelling, and the same without the commas that may separate thousands."""
    tex = clean(text)
    return tex, without_outer(tex)


@lru_cache(maxsize=8192)
def readings(text: str) -> tuple[Answer, ...]:
    """All readings of an answer: 1,234 is one number or two; everything else has one reading."""
    tex, joined = _spelled(text)
    spellings = [joined] if joined == tex or re.search(",0[0-9]", tex) else [joined, tex]
    try:
        return tuple(_answer(spelling) for spelling in spellings if spelling)
    except RecursionError:  # hundreds of brackets
        return ()


@lru_cache(maxsize=8192)
def asked(text: str) -> tuple[Answer, ...]:
    """The reading of an answer such as m + n = 42 as the value of a formula that the question may have asked for."""
    sides = value_of(_spelled(text)[1])
    try:
        return (replace(_answer(sides[1]), name=sides[0]),) if sides else ()
    except RecursionError:  # hundreds of brackets
        return ()


def texts(answer: Answer) -> Iterator[str]:
    """The mathematics of each value of an answer, without the other values that it claims to be equal."""
    if isinstance(answer, One):
        yield answer.tex
    else:
        for item in answer.items:
            yield from texts(item)


def _answer(tex: str) -> Answer:
    if len(parts := split(tex, ",;")) > 1:
        return Many("list", tuple(_flat(map(_answer, parts))))
    name, tex = _named(tex)
    for read in (_union, _bracketed, _interval, _matrix, _either_sign, _ratio):
        if answer := read(tex):
            return replace(answer, name=name or answer.name)
    tex, rounded = approximations(tex)
    return replace(chain(tex), name=name, rounded=rounded)


def _named(tex: str) -> tuple[str, str]:
    r"""Split an answer into its name, the x of `x =` or `x \in` at the front, and the rest."""
    names = []
    while (match := _NAME.match(tex)) and match.end() < len(tex):
        names += [match[1]] if '"' not in match[1] else []  # a formula can't contradict a name in words
        tex = tex[match.end() :]
    return "=".join(filter(None, names)), tex


def _flat(answers: Iterator[Answer]) -> Iterator[Answer]:
    for answer in answers:
        yield from answer.items if isinstance(answer, Many) and answer.kind == "list" else (answer,)


def _union(tex: str) -> Many | None:
    """A union of intervals and sets as a list; None for others, such as the union of events A and B."""
    parts = split(tex.replace(r"\cup", "\x1f"), "\x1f")
    items = tuple(map(_answer, parts)) if len(parts) > 1 else ()
    return Many("list", items) if any(isinstance(item, Many) for item in items) else None


def _bracketed(tex: str) -> Answer | None:
    if tex == r"\mathbb{R}":
        return _bracketed(r"(-\infty,\infty)")
    if tex.startswith(r"\{") and tex.endswith(r"\}") and _matched(tex[1:-2] + "}"):
        inner = tex[2:-2]
        if (builder := _BUILDER.fullmatch(inner)) and (interval := _interval(builder[1])):
            return interval
        answer = _answer(inner)
        return replace(answer, kind="set") if isinstance(answer, Many) and answer.kind == "list" else answer
    if tex[:1] not in tuple("([") or tex[-1:] not in tuple(")]") or not _matched(tex):
        return None
    items = split(tex[1:-1], ",;")
    if len(items) > 1:
        return Many(tex[0] + tex[-1], tuple(map(_answer, items)))
    unwrapped = items and (tex[0] + tex[-1] == "()" or _MATRIX.fullmatch(items[0]))
    return _answer(items[0]) if unwrapped else None


def _matched(tex: str) -> bool:
    """Whether the first bracket is closed by the last one."""
    depth = 0
    for index, character in enumerate(tex):
        depth += (character in _OPEN) - (character in _CLOSE)
        if depth <= 0:
            return depth == 0 and index == len(tex) - 1
    return False


def _interval(tex: str) -> Many | None:
    r"""An inequality as an interval: 1 < x \leq 2 is (1,2], and x > 1 is (1,\infty)."""
    parts = [part.strip() for part in _RELATION.split(tex)]
    if parts[1::2] and all(relation in (">", r"\geq") for relation in parts[1::2]):
        parts = [{">": "<", r"\geq": r"\leq"}.get(part, part) for part in reversed(parts)]
    if len(parts) == 3:
        parts = [r"-\infty", "<", *parts] if re.fullmatch(_VARIABLE, parts[0]) else [*parts, "<", r"\infty"]
    if len(parts) != 5 or not re.fullmatch(_VARIABLE, parts[2]) or {parts[1], parts[3]} - {"<", r"\leq"}:
        return None
    low, left, variable, right, high = parts
    return Many("[("[left == "<"] + "])"[right == "<"], (one(low), one(high)), variable)


def _matrix(tex: str) -> Many | None:
    if not (match := _MATRIX.fullmatch(tex)) or r"\begin" in match[1]:
        return None
    rows = [row.split("&") for row in match[1].removesuffix("\\\\").split("\\\\")]
    return Many("matrix", tuple(Many("row", tuple(map(_answer, row))) for row in rows))


def _either_sign(tex: str) -> Many | None:
    if tex.count(r"\pm") != 1 or r"\mp" in tex:
        return None
    signs = [re.sub(r"\\pm ?", sign, tex) for sign in "+-"]
    return Many("list", tuple(one(each.removeprefix("+")) for each in signs))


def _ratio(tex: str) -> Many | None:
    """A ratio such as 3:4, or a time such as 11:30 a.m."""
    parts = split(tex, ":")
    if len(parts) < 2 or tex[0] == ":" or not all(part[0].isdigit() for part in parts):
        return None
    return Many(":", tuple(map(one, parts)))
