"""Writes characters and signs as LaTeX: exponents, fractions, relations such as `>=`, and infinity in words."""

import re
import unicodedata

from rlvr.verify.math.spelling import ASCII_SIGNS, CHARACTERS, LOWERED, RAISED

_RAISED, _LOWERED = re.compile(f"[{''.join(RAISED)}]+"), re.compile(f"[{''.join(LOWERED)}]+")
# In n! = 6 and in 5!=120 the sign is a factorial.
_ASCII = re.compile(r"<=|>=|==|\*\*|(?<![0-9!)}])!=")
_INFINITE = re.compile(
    r"(?:\\(?:text|mathrm|textrm)\s*\{\s*)?\b(?:(positive|plus|negative|minus)\s+)?infinity\b\s*(\})?", re.IGNORECASE
)


def in_latex(text: str) -> str:
    """The text with LaTeX commands in place of such characters, signs and words."""
    text = _in_ascii(text).translate(CHARACTERS)
    return _INFINITE.sub(_infinity, _ASCII.sub(lambda match: ASCII_SIGNS[match[0]], text))


def _in_ascii(text: str) -> str:
    """Write exponents, indices and fractions that are single characters as LaTeX: ⁻¹ is ^{-1}, 2¾ is 2 3/4."""
    if text.isascii():
        return text
    text = _RAISED.sub(lambda match: f"^{{{''.join(map(RAISED.__getitem__, match[0]))}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{''.join(map(LOWERED.__getitem__, match[0]))}}}", text)
    return "".join(_fraction(each) for each in text)


def _fraction(character: str) -> str:
    parts = unicodedata.normalize("NFKC", character).split("⁄")
    return rf"\frac{{{parts[0]}}}{{{parts[1]}}}" if len(parts) == 2 and all(map(str.isdigit, parts)) else character


def _infinity(words: re.Match[str]) -> str:
    """LaTeX for infinity in words, with its sign."""
    if bool(words[2]) != ("{" in words[0]):
        return words[0]
    return ("-" if (words[1] or "").lower() in ("negative", "minus") else "") + r"\infty "
