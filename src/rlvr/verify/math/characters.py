"""Characters and signs that stand for LaTeX: exponents, fractions, relations such as `>=`, and infinity in words."""

import re
import unicodedata

from rlvr.verify.math.spelling import ASCII_SIGNS, CHARACTERS, LOWERED, RAISED

_RAISED, _LOWERED = re.compile(f"[{''.join(RAISED)}]+"), re.compile(f"[{''.join(LOWERED)}]+")
# n! = 6 is a factorial, and so is 5!=120.
_ASCII = re.compile(r"<=|>=|==|\*\*|(?<![0-9!)}])!=")
_INFINITE = re.compile(
    r"(?:\\(?:text|mathrm|textrm)\s*\{\s*)?\b(?:(positive|plus|negative|minus)\s+)?infinity\b\s*(\})?", re.IGNORECASE
)


def in_latex(text: str) -> str:
    """The same text with LaTeX's commands for them."""
    text = _in_ascii(text).translate(CHARACTERS)
    return _INFINITE.sub(_infinity, _ASCII.sub(lambda match: ASCII_SIGNS[match[0]], text))


def _in_ascii(text: str) -> str:
    """Exponents, indices and fractions that are characters of their own, as LaTeX: ⁻¹ is ^{-1}, 2¾ is 2 3/4."""
    if text.isascii():
        return text
    text = _RAISED.sub(lambda match: f"^{{{''.join(map(RAISED.__getitem__, match[0]))}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{''.join(map(LOWERED.__getitem__, match[0]))}}}", text)
    return "".join(_fraction(each) for each in text)


def _fraction(character: str) -> str:
    parts = unicodedata.normalize("NFKC", character).split("⁄")
    return rf"\frac{{{parts[0]}}}{{{parts[1]}}}" if len(parts) == 2 and all(map(str.isdigit, parts)) else character


def _infinity(words: re.Match[str]) -> str:
    """Infinity in words, with its sign."""
    if bool(words[2]) != ("{" in words[0]):
        return words[0]
    return ("-" if (words[1] or "").lower() in ("negative", "minus") else "") + r"\infty "
