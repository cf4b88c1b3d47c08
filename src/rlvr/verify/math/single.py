r"""One value of an answer: its mathematics, unit, name, and what it is said to be equal to."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from rlvr.verify.math.number import number
from rlvr.verify.math.units import CURRENCIES, unit_of

_NO_VARIABLE = re.compile(r'\\(?:frac|sqrt|pi|cdot|times|binom|infty|ln|log|sin|cos|tan)(?![A-Za-z])|"[^"]*"')
_BOUND = re.compile(r"\\(?:sum|prod|int|lim|gcd|lcm|bmod|mod|max|min|det)(?![A-Za-z])")
_BASED = re.compile(
    r"([+-]?)\(?\"?([0-9][0-9A-Z]*|[A-Z][0-9A-Z]*[0-9][0-9A-Z]*)\"?\)?_\{\"?([0-9]+|two|three|five|eight|ten)\"?\}"
)
_OPTION = re.compile(r"(?:\"\(?([A-Z])[).]+\"|\(?([A-Z])\))([0-9\\\"$.-].*)")
_CHOICE = re.compile(r"\"?([A-Z])[).:]\"?")
_CURRENCY = re.compile(r"([+-]?)(\"[^\"]+\")(.+)")
_BASES = {"two": "2", "three": "3", "five": "5", "eight": "8", "ten": "10"}
LONGEST_NAME = 5
SHOUTED = {"yes", "no", "odd", "even", "true", "false", "none", "both", "am", "pm", "one", "two", "three", "four"}
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class One:
    """A single value.

    Attributes:
        tex: The mathematics, without name and unit.
        name: The name of what has this value, x in x = 5; empty where none is given.
        unit: Its unit; empty where there is none.
        value: Its exact value, where it is plainly a number.
        words: The text to compare, where it isn't mathematics.
        option: The letter of a multiple-choice answer that is given along with its value.
        claims: Other values that the answer gives as equal, 2 + 3 in 2 + 3 = 5.
        rounded: Decimals that the answer gives as approximations.
    """

    tex: str
    name: str = ""
    unit: str = ""
    value: Fraction | None = None
    words: str = ""
    option: str = ""
    claims: tuple["One", ...] = ()
    rounded: tuple[str, ...] = ()


def split(tex: str, separators: str) -> list[str]:
    """Split at each separator that stands outside all brackets and quotes; empty pieces are left out."""
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


def chain(tex: str) -> One:
    """Read 0.56 = 56 % as 56 % with the claim that 0.56 is equal. An equation such as x + 1 = 5 stays whole."""
    parts = split(tex, "=")
    if len(parts) < 2 or any(re.search("[A-Za-z]", _NO_VARIABLE.sub("", part)) for part in _told(parts)):
        return one(tex)
    *claims, value = map(one, parts)
    return replace(value, claims=tuple(claims))


def _told(parts: list[str]) -> list[str]:
    """The parts that must be numbers. A sum over k, a limit and the like need not be, except as the last part."""
    return [part for part in parts[:-1] if not _BOUND.search(part)] + parts[-1:]


def one(tex: str) -> One:
    """Read a single value, which has no separators and no name."""
    if match := _CHOICE.fullmatch(tex):
        return One(match[1])
    if match := _OPTION.fullmatch(tex):
        return replace(one(match[3]), option=match[1] or match[2])
    if match := _BASED.fullmatch(tex):
        base = _BASES.get(match[3], match[3])
        digits = match[1].strip("+") + (match[2].lstrip("0") or "0")
        return one(digits) if base == "10" else One(tex, words=f"{digits}_{base}")
    unit, scale = "", Fraction(1)
    if (match := _CURRENCY.fullmatch(tex)) and (found := unit_of(match[2])) and found[0] in CURRENCIES:
        rest = one(match[1] + match[3])
        if rest.unit in ("", found[0]) and not rest.words:
            return replace(rest, unit=found[0])
    tex = tex.removeprefix("+")
    start = tex.find('"')
    if start > 0 and tex[start - 1] not in "+-*/^_({=" and (found := unit_of(tex[start:])):
        tex, (unit, scale) = tex[:start], found
    tex = tex.replace('"°"', "")
    if not re.fullmatch(r'"[^"]*"', tex):
        tex = re.sub('"([A-Za-z])"', r"\1", tex)
    words = spelled(tex) if '"' in tex else tex if re.fullmatch("[A-Z]{2,}", tex) else ""
    value = number(tex)
    if scale != 1:
        tex, value = rf"({tex})\cdot\frac{{{scale.numerator}}}{{{scale.denominator}}}", value and value * scale
    return One(tex, unit=unit, value=value, words=words)


def approximations(tex: str) -> tuple[str, tuple[str, ...]]:
    """Split off decimals behind approximation signs. If anything else stands there, the answer is unreadable later."""
    exact, *rounded = tex.split(r"\approx")
    found = [one(text.strip()) for text in rounded]
    if not exact or any(each.value is None or each.words for each in found):
        return tex, ()
    return exact, tuple(rf"{each.tex}\cdot10^{{-2}}" if each.unit == "%" else each.tex for each in found)


def words_of(one: One) -> str:
    """An answer as a text, whether it is mathematics or not."""
    return one.words or spelled(one.tex)


def same_words(a: One, b: One) -> bool:
    """Whether two texts are the same. The case counts for letters that are not words."""
    if '"' in a.tex + b.tex:
        return words_of(a) == words_of(b)
    return (a.words or a.tex) == (b.words or b.tex)


def spelled(tex: str) -> str:
    """A text without spaces and punctuation, with its words in lower case."""
    tex = f'"{tex}"' if tex.isalpha() else tex
    pieces = re.split('("[^"]*")', re.sub(r"[\s{}]", "", tex))
    return "".join(_word(piece[1:-1]) if piece.startswith('"') else piece for piece in pieces)


def _word(text: str) -> str:
    """A word in lower case: Yes and YES are yes. Other letters keep their case: A is not a, ABCD is not abcd."""
    text = re.sub(r"['().]|-(?![0-9])", "", text)
    word = text == text.capitalize() != text[:1] or (text.isupper() and len(text) > LONGEST_NAME)
    return text.casefold() if word or text.lower() in SHOUTED else text
