"""Reads the numbers in answers exactly."""

import re
from fractions import Fraction
from math import gcd

_SIGN = r"(?P<sign>[+-]?)"
_DECIMAL = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
SCIENTIFIC = re.compile(
    rf"{_SIGN}(?P<digits>{_DECIMAL})(?:[eE](?P<e>[+-]?[0-9]+)|(?:\\times|\\cdot|\*)10\^\{{(?P<power>[+-]?[0-9]+)\}})"
)
_PATTERNS = [
    # 12, 1.5, 1.6e-19, 1.6\times10^{-19}, 10^{-3}, 0.\overline{36}
    re.compile(rf"{_SIGN}(?P<digits>{_DECIMAL})(?:\\overline\{{(?P<repeated>[0-9]+)\}})?"),
    SCIENTIFIC,
    re.compile(rf"{_SIGN}10\^\{{(?P<power>[+-]?[0-9]+)\}}"),
    # \frac{1}{2}, 3\frac{1}{2}, 1/2, 3 1/2
    re.compile(rf"{_SIGN}(?P<whole>[0-9]+)?\\frac\{{(?P<top>[+-]?{_DECIMAL})\}}\{{(?P<bottom>[+-]?{_DECIMAL})\}}"),
    re.compile(rf"{_SIGN}(?:(?P<whole>[0-9]+) )?(?P<top>{_DECIMAL})/(?P<bottom>{_DECIMAL})"),
]
_FRACTION = re.compile(r"\\frac\{-?([0-9]+)\}\{-?([0-9]+)\}|(?<![0-9.}])\(?-?([0-9]+)\)?/\(?-?([0-9]+)\)?(?![0-9.])")
_REPEATING = re.compile(r"\.[0-9]*\\overline\{[0-9]+\}")
MAX_EXPONENT = 400
# A decimal needs this many digits to stand for an exact value such as pi or 1/3.
ENOUGH_DIGITS = 6


def number(tex: str) -> Fraction | None:
    """The exact value of a number in `clean`'s spelling; None for what isn't plainly a number."""
    for pattern in _PATTERNS:
        if match := pattern.fullmatch(tex):
            value = _value(match.groupdict())
            return -value if value is not None and match["sign"] == "-" else value
    return None


def _value(parts: dict[str, str | None]) -> Fraction | None:
    if top := parts.get("top"):
        bottom = Fraction(parts["bottom"] or 0)
        whole = parts.get("whole")
        if not bottom or (whole and not (top.isdigit() and Fraction(top) < bottom)):
            return None
        return Fraction(whole or 0) + Fraction(top) / bottom
    exponent = int(parts.get("e") or parts.get("power") or 0)
    if abs(exponent) > MAX_EXPONENT:
        return None
    digits = parts.get("digits") or "1"
    value = Fraction(digits)
    if repeated := parts.get("repeated"):
        if "." not in digits:
            return None
        value += Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(digits.partition(".")[2]))
    return value * Fraction(10) ** exponent


def unreduced(tex: str) -> int:
    """The number of fractions that are not in lowest terms, and of repeating decimals."""
    pairs = ([int(each) for each in match.groups() if each] for match in _FRACTION.finditer(tex))
    return sum(gcd(top, bottom) > 1 or bottom == 1 for top, bottom in pairs) + len(_REPEATING.findall(tex))


def is_decimal(tex: str) -> bool:
    """Whether a number has a decimal point, as in 1.5 or 1.5e-3."""
    return "." in tex and bool(_PATTERNS[0].fullmatch(tex) or SCIENTIFIC.fullmatch(tex)) and "overline" not in tex


def stands_for(decimal: str, value: Fraction) -> bool:
    """Whether a decimal is a value rounded, and has enough digits to identify it."""
    shown = re.split(r"[eE\\*]", decimal, maxsplit=1)[0].replace(".", "").strip("-+0")
    return len(shown) >= ENOUGH_DIGITS and is_rounding(decimal, value)


def is_rounding(decimal: str, value: Fraction) -> bool:
    """Whether a decimal differs from a value by at most half a unit in its last place."""
    written = number(decimal)
    return written is not None and abs(written - value) * 2 <= Fraction(10) ** -_places(decimal)


def is_near(decimal: str, value: Fraction) -> bool:
    """Whether a number is a value rounded or cut off. Zeros at the end of it may stand for other digits."""
    written = number(decimal)
    if written is None or written == value or not (is_decimal(decimal) or decimal.lstrip("-").isdigit()):
        return written == value
    significant = decimal.lstrip("-").rstrip("0")
    zeros = len(decimal.lstrip("-")) - len(significant) if significant.isdigit() and len(significant) > 1 else 0
    place = Fraction(10) ** (zeros - _places(decimal))
    return abs(written - value) * 2 <= place or (0 <= abs(value) - abs(written) < place and written * value > 0)


def _places(decimal: str) -> int:
    """Digits behind the decimal point of a number when it is written without an exponent."""
    match = SCIENTIFIC.fullmatch(decimal) or _PATTERNS[0].fullmatch(decimal)
    parts = match.groupdict() if match else {}
    return len((parts.get("digits") or "").partition(".")[2]) - int(parts.get("e") or parts.get("power") or 0)
