r"""What an answer says: one value with its unit and name, or several, in order or not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from rlvr.verify.math.latex import clean
from rlvr.verify.math.number import number
from rlvr.verify.math.units import CURRENCIES, unit_of


@dataclass(frozen=True)
class One:
    """A single value.

    Attributes:
        tex: The mathematics, without name and unit.
        name: What it is the value of, x in x = 5; empty where that isn't said.
        unit: Its unit; empty where there is none.
        value: Its exact value, where it is plainly a number.
        words: The text to compare, where it isn't mathematics.
        option: The letter of a multiple-choice answer that is given along with its value.
        claims: Values that it is said to be equal to, in 2 + 3 = 5.
    """

    tex: str
    name: str = ""
    unit: str = ""
    value: Fraction | None = None
    words: str = ""
    option: str = ""
    claims: tuple["One", ...] = ()


@dataclass(frozen=True)
class Many:
    """Several values.

    Attributes:
        kind: `list` and `set` in any order; a pair of brackets such as `[)`, `:`, `matrix` or `row` in order.
        items: The values.
        name: What they are the values of.
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
_NO_VARIABLE = re.compile(r'\\(?:frac|sqrt|pi|cdot|times|binom|infty|ln|log|sin|cos|tan)(?![A-Za-z])|"[^"]*"')
_RELATION = re.compile(r"(<|>|\\leq ?|\\geq ?)")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_MATRIX = re.compile(r"\\begin\{matrix\}(.*)\\end\{matrix\}")
_BASED = re.compile(
    r"([+-]?)\(?\"?([0-9][0-9A-Z]*|[A-Z][0-9A-Z]*[0-9][0-9A-Z]*)\"?\)?_\{\"?([0-9]+|two|three|five|eight|ten)\"?\}"
)
_OPTION = re.compile(r"(?:\"\(?([A-Z])[).]+\"|\(([A-Z])\))([0-9\\\"$.-].*)")
_CURRENCY = re.compile(r"([+-]?)(\"[^\"]+\")(.+)")
_BUILDER = re.compile(rf"{_VARIABLE}(?:\\in\\mathbb\{{R\}})?[:|](.+)")
_BASES = {"two": "2", "three": "3", "five": "5", "eight": "8", "ten": "10"}
_OPEN, _CLOSE = "([{", ")]}"


@lru_cache(maxsize=8192)
def readings(text: str) -> tuple[Answer, ...]:
    """What an answer may say: 1,234 is a number or two, everything else is read in one way."""
    tex = clean(text)
    joined = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), tex)
    spellings = [joined] if joined == tex or re.search(",0[0-9]", tex) else [joined, tex]
    try:
        return tuple(_answer(spelling) for spelling in spellings if spelling)
    except RecursionError:  # hundreds of brackets
        return ()


def split(tex: str, separators: str) -> list[str]:
    """Cut where one of the separators stands outside all brackets and quotes; empty pieces are left out."""
    pieces, depth, quoted, start = [], 0, False, 0
    for index, character in enumerate(tex):
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in _OPEN) - (character in _CLOSE and depth > 0)
            if character in separators and not depth:
                pieces.append(tex[start:index])
                start = index + 1
    return [piece for piece in [*pieces, tex[start:]] if piece]


def _answer(tex: str) -> Answer:
    if len(parts := split(tex, ",;")) > 1:
        return Many("list", tuple(_flat(map(_answer, parts))))
    name, tex = _named(tex)
    for read in (_union, _bracketed, _interval, _matrix, _either_sign, _ratio):
        if answer := read(tex):
            return replace(answer, name=name or answer.name)
    return replace(_chain(tex), name=name)


def _named(tex: str) -> tuple[str, str]:
    r"""Take `x =`, `f(x) =` or `x \in` off the front, and an approximation off the end."""
    names = []
    while (match := _NAME.match(tex)) and match.end() < len(tex):
        names += [match[1]] if '"' not in match[1] else []  # words say nothing that a formula could contradict
        tex = tex[match.end() :]
    if r"\approx" in tex:
        tex, _, rounded = tex.partition(r"\approx")
        value, near = _one(tex).value, _one(rounded).value
        if value and near and abs(value - near) * 20 > abs(value):
            tex = f"{tex}={rounded}"  # no rounding, but a claim
    return "=".join(filter(None, names)), tex


def _flat(answers: Iterator[Answer]) -> Iterator[Answer]:
    for answer in answers:
        yield from answer.items if isinstance(answer, Many) and answer.kind == "list" else (answer,)


def _union(tex: str) -> Many | None:
    """Intervals and sets put together, not the union of events A and B."""
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
    r"""1 < x \leq 2 as (1,2], x > 1 as (1,\infty)."""
    parts = [part.strip() for part in _RELATION.split(tex)]
    if parts[1::2] and all(relation in (">", r"\geq") for relation in parts[1::2]):
        parts = [{">": "<", r"\geq": r"\leq"}.get(part, part) for part in reversed(parts)]
    if len(parts) == 3:
        parts = [r"-\infty", "<", *parts] if re.fullmatch(_VARIABLE, parts[0]) else [*parts, "<", r"\infty"]
    if len(parts) != 5 or not re.fullmatch(_VARIABLE, parts[2]) or {parts[1], parts[3]} - {"<", r"\leq"}:
        return None
    low, left, variable, right, high = parts
    return Many("[("[left == "<"] + "])"[right == "<"], (_one(low), _one(high)), variable)


def _matrix(tex: str) -> Many | None:
    if not (match := _MATRIX.fullmatch(tex)) or r"\begin" in match[1]:
        return None
    rows = [row.split("&") for row in match[1].removesuffix("\\\\").split("\\\\")]
    return Many("matrix", tuple(Many("row", tuple(map(_answer, row))) for row in rows))


def _either_sign(tex: str) -> Many | None:
    if tex.count(r"\pm") != 1 or r"\mp" in tex:
        return None
    signs = [re.sub(r"\\pm ?", sign, tex) for sign in "+-"]
    return Many("list", tuple(_one(each.removeprefix("+")) for each in signs))


def _ratio(tex: str) -> Many | None:
    """3:4, and 11:30 a.m."""
    parts = split(tex, ":")
    if len(parts) < 2 or tex[0] == ":" or not all(part[0].isdigit() for part in parts):
        return None
    return Many(":", tuple(map(_one, parts)))


def _chain(tex: str) -> One:
    """0.56 = 56 % is 56 %, and claims that 0.56 is the same; x + 1 = 5 is no value but an equation."""
    parts = split(tex, "=")
    if len(parts) < 2 or re.search("[A-Za-z]", _NO_VARIABLE.sub("", tex)):
        return _one(tex)
    *claims, value = map(_one, parts)
    return replace(value, claims=tuple(claims))


def _one(tex: str) -> One:
    if match := _OPTION.fullmatch(tex):
        return replace(_one(match[3]), option=match[1] or match[2])
    if match := _BASED.fullmatch(tex):
        base = _BASES.get(match[3], match[3])
        digits = match[1].strip("+") + (match[2].lstrip("0") or "0")
        return _one(digits) if base == "10" else One(tex, words=f"{digits}_{base}")
    unit, scale = "", 1
    if (match := _CURRENCY.fullmatch(tex)) and (found := unit_of(match[2])) and found[0] in CURRENCIES:
        rest = _one(match[1] + match[3])
        if rest.unit in ("", found[0]) and not rest.words:
            return replace(rest, unit=found[0])
    tex = tex.removeprefix("+")
    start = tex.find('"')
    if start > 0 and tex[start - 1] not in "+-*/^_({=" and (found := unit_of(tex[start:])):
        tex, (unit, scale) = tex[:start], found
    tex = tex.replace('"°"', "")
    if not re.fullmatch(r'"[^"]*"', tex):
        tex = re.sub('"([A-Za-z])"', r"\1", tex)
    words = spelled(tex) if '"' in tex or re.fullmatch("[A-Z]{2,}", tex) else ""
    value = number(tex)
    if scale != 1:
        tex, value = rf"({tex})\cdot {scale}", value and value * scale
    return One(tex, unit=unit, value=value, words=words)


def words_of(one: One) -> str:
    """What an answer reads as text, be it mathematics or not."""
    return one.words or spelled(one.tex)


def spelled(tex: str) -> str:
    """A text without spaces and punctuation, its words without case; a single letter keeps it."""
    tex = f'"{tex}"' if tex.isalpha() else tex
    pieces = re.split('("[^"]*")', re.sub(r"[\s{}]", "", tex))
    return "".join(_word(piece[1:-1]) if piece.startswith('"') else piece for piece in pieces)


def _word(text: str) -> str:
    text = re.sub(r"['().-]", "", text)
    return text.casefold() if len(text) > 1 else text
