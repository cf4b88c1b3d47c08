"""Makes answers that are wrong, or that only repeat the question; `benchmarks/verifier.py` grades them."""

import random
import re
from collections.abc import Callable

from rlvr.verify.math.single import split

Alter = Callable[[str, str, random.Random], str | None]
"""An answer altered, given another problem's; None where there is nothing to alter."""
CONSTANTS = ("0", "1", "2", "3", "4", "5", "6", "-1", "10", "x", r"\pi", r"\frac{1}{2}", "x=0", r"\text{A}")

_NUMBER = re.compile(r"(?<![0-9._^{!])[0-9]+")
_FRACTION = re.compile(r"\\frac\{([^{}]+)\}\{([^{}]+)\}")
_FORMULA = re.compile(r"\$\$?(.+?)\$\$?|\\\[(.+?)\\\]|\\\((.+?)\\\)|\\begin\{align\*?\}(.+?)\\end", re.DOTALL)


def restated(question: str) -> str | None:
    """A question's own last formula, without the full stop of its sentence."""
    formulas = [next(filter(None, each), "") for each in _FORMULA.findall(question.replace(r"\$", ""))]
    last = formulas[-1].strip().rstrip(".,;: ") if formulas else ""
    return last or None


def another(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer to another problem."""
    return other


def sign(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer with the sign of a number flipped."""
    if (found := _number(answer, draw, nonzero=True)) is None:
        return None
    before, digits, after = found
    return before[:-1] + digits + after if before.endswith("-") else f"{before}-{digits}{after}"


def digit(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer with a digit changed."""
    if (found := _number(answer, draw)) is None:
        return None
    before, digits, after = found
    place = draw.randrange(len(digits))
    changed = str((int(digits[place]) + draw.randint(1, 9)) % 10)
    return before + digits[:place] + changed + digits[place + 1 :] + after


def off_by_one(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer with a number that is larger by one."""
    if (found := _number(answer, draw)) is None:
        return None
    before, digits, after = found
    return f"{before}{int(digits) + 1}{after}"


def swapped(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer with numerator and denominator of a fraction swapped."""
    match = _FRACTION.search(answer)
    if match is None or match[1] == match[2]:
        return None
    return rf"{answer[: match.start()]}\frac{{{match[2]}}}{{{match[1]}}}{answer[match.end() :]}"


def dropped(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer without one of its several values."""
    items = split(answer.replace(r"\,", " "), ",")
    if len(items) < 2:
        return None
    del items[draw.randrange(len(items))]
    return ",".join(items)


def added(answer: str, other: str, draw: random.Random) -> str | None:
    """The answer with one value too many."""
    return f"{answer}, {other}" if other else None


def hedged(answer: str, other: str, draw: random.Random) -> str | None:
    """Two answers to choose from."""
    return rf"{answer} \text{{ or }} {other}" if other else None


ALTERATIONS: dict[str, Alter] = {
    **{"another's": another, "sign": sign, "digit": digit, "off by one": off_by_one},
    **{"swapped fraction": swapped, "dropped item": dropped, "added item": added, "hedged": hedged},
}


def _number(answer: str, draw: random.Random, nonzero: bool = False) -> tuple[str, str, str] | None:
    """The text before one of an answer's numbers, the number, and the text behind it."""
    numbers = [number for number in _NUMBER.finditer(answer) if int(number[0]) or not nonzero]
    if not numbers:
        return None
    number = draw.choice(numbers)
    return answer[: number.start()], number[0], answer[number.end() :]
