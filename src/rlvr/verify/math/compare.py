"""Decides whether two answers say the same. The result is None where only mathematics can tell."""

from collections.abc import Callable, Iterable
from itertools import product

from rlvr.types import Status
from rlvr.verify.math.answer import Answer, Many, asked, readings, texts
from rlvr.verify.math.latex import clean
from rlvr.verify.math.number import is_decimal, is_near, stands_for, unreduced
from rlvr.verify.math.order import named_in_order
from rlvr.verify.math.single import One, same_words, split, words_of

MAX_UNORDERED = 64

# Whether two formulas are equal. Where \\approx stands before the second: whether it is the first one rounded. None
# where that isn't known.
Decide = Callable[[str, str], bool | None]
Finished = Callable[[Answer, Answer], bool]


def reduced(reference: Answer, answer: Answer) -> bool:
    """Whether an answer has no more fractions to reduce than the reference: 4/2 is not accepted for 2."""
    wanted, given = (sum(map(unreduced, texts(each))) for each in (reference, answer))
    return given <= wanted


def any_form(reference: Answer, answer: Answer) -> bool:
    """Accepts an answer in every form."""
    return True


def judged(reference: str, answer: str, decide: Decide, finished: Finished) -> Status | None:
    """The status of an answer: whether it says what the reference says, in any of their readings. None: not known.

    Args:
        reference: The right answer as the data set has it.
        answer: The completion's answer.
        decide: Compares formulas.
        finished: Whether the second of two equal readings leaves no more to compute than the first.
    """
    if _damaged_matrix(reference) and clean(reference).replace("\\\\", "") == clean(answer).replace("\\\\", ""):
        return "right"
    found: set[bool | None] = {False}
    for a, b in product(readings(reference), readings(answer) + asked(answer)):
        equal = _equal(a, b, decide)
        if equal and finished(a, b):
            return "right"
        found.add(equal)
    return None if None in found else "unevaluated" if True in found else "wrong"


def _damaged_matrix(reference: str) -> bool:
    """Whether a reference's matrix has lost its line breaks. Then only its cells in their order can be compared."""
    return r"matrix}" in reference and "\\\\" not in reference


def _equal(a: Answer, b: Answer, decide: Decide) -> bool | None:
    differently_named = bool(a.name and b.name and a.name != b.name)
    if isinstance(a, One) and isinstance(b, One):
        if differently_named or _is_equation(a.tex) or _is_equation(b.tex):
            equations = _spelled_out(a), _spelled_out(b)
            return equations[0] == equations[1] or (all(map(_is_equation, equations)) and decide(*equations))
        if a.option and b.option and a.option != b.option:
            return False
        # The answer's own claims must hold as well. Of the reference's claims only the approximations are checked.
        claims = [_equal_values(claim, b, decide) for claim in b.claims]
        claims += [_near(each, decimal, decide) for each in (a, b) for decimal in each.rounded]
        return _all([_same_option(a, b) or _equal_values(a, b, decide), *claims])
    if isinstance(a, One) or isinstance(b, One) or len(a.items) != len(b.items):
        return False
    if (ordered := named_in_order(a, b)) is not None:  # x = 5, y = 3 as (5, 3)
        return _all(_equal(x, y, decide) for x, y in ordered)
    if differently_named:
        return False
    pairs = zip(a.items, b.items, strict=True)
    unordered = {a.kind, b.kind} <= {"list", "set"}
    if unordered and len(a.items) <= MAX_UNORDERED:
        return _equal_unordered(a, b, decide)
    return (a.kind == b.kind or unordered) and _all(_equal(x, y, decide) for x, y in pairs)


def _is_equation(tex: str) -> bool:
    """Whether a formula is an equation. The k = 1 below a sum does not make it one."""
    return "=" in tex and len(split(tex, "=")) > 1


def _spelled_out(one: One) -> str:
    return f"{one.name}={one.tex}" if one.name else one.tex


def _equal_unordered(a: Many, b: Many, decide: Decide) -> bool | None:
    left, unsure = list(b.items), False
    for item in a.items:
        verdicts = [_equal(item, other, decide) for other in left]
        if True in verdicts:
            del left[verdicts.index(True)]
        elif None in verdicts:
            unsure = True
        else:
            return False
    return None if unsure else True


def _same_option(a: One, b: One) -> bool:
    """Whether one gives a choice with its value and the other the same letter alone, as (C) 27 and C."""
    return bool(a.option) != bool(b.option) and (a.option or words_of(a)) == (b.option or words_of(b))


def _equal_values(a: One, b: One, decide: Decide) -> bool | None:
    if a.unit and b.unit and a.unit != b.unit:
        return False
    if a.words or b.words:
        return same_words(a, b)
    if a.value is None or b.value is None:
        return a.tex == b.tex or decide(a.tex, b.tex)
    if _equal_numbers(a, b):
        return True
    # 44 % is also the number 0.44. Where one of them has no unit, it may have been left out.
    percent = [one.value / 100 if one.unit == "%" else one.value for one in (a, b) if one.value is not None]
    return a.unit != b.unit and percent[0] == percent[1]


def _near(one: One, decimal: str, decide: Decide) -> bool | None:
    """Whether a decimal approximates a value; None where that is not known."""
    return decide(one.tex, rf"\approx{decimal}") if one.value is None else is_near(decimal, one.value)


def _equal_numbers(a: One, b: One) -> bool:
    if a.value == b.value:
        return True
    decimal = [is_decimal(one.tex) for one in (a, b)]
    if decimal[0] == decimal[1] or a.value is None or b.value is None:
        return False
    return stands_for(a.tex, b.value) if decimal[0] else stands_for(b.tex, a.value)


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    verdict: bool | None = True
    for each in verdicts:
        if each is False:
            return False
        verdict = None if each is None else verdict
    return verdict
