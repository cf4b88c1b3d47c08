"""Decides, inside a worker, whether two formulas are the same mathematics."""

import re
from fractions import Fraction
from typing import Any

from sympy import Basic, Expr, FiniteSet, Float, MatrixBase
from sympy.core.relational import Relational

from rlvr.verify.math.compare import any_form, judged
from rlvr.verify.math.form import finished
from rlvr.verify.math.number import is_near, stands_for
from rlvr.verify.math.reader import Chain, parsed
from rlvr.verify.math.relations import same_relation
from rlvr.verify.math.values import equal, numeric
from rlvr.verify.worker import Question, Reply

_DECIMAL = re.compile(r"-?[0-9]*\.[0-9]+")
LARGE = Float("1e60")


def judge(question: Question, final_form: bool = True) -> Reply:
    """Whether the answer (second) says what the reference (first) says, and leaves no more to compute."""
    wanted, given = question
    return judged(wanted, given, decide, finished if final_form else any_form) or "wrong", 0.0


def decide(reference: str, answer: str) -> bool:
    r"""Whether two formulas are equal. Where \approx stands before the second: whether it is the first one rounded."""
    rounded = answer.startswith(r"\approx")
    a, b = parsed(reference), parsed(answer.removeprefix(r"\approx"))
    if a is None or b is None:
        return False
    if rounded:
        value = _value(a)
        return value is not None and is_near(answer.removeprefix(r"\approx"), value)
    if isinstance(a, Expr) and isinstance(b, Expr):
        decimals = ((reference, b), (answer, a))
        if any(_DECIMAL.fullmatch(decimal) and _rounded(decimal, exact) for decimal, exact in decimals):
            return True
    return _same(a, b)


def _same(a: Any, b: Any) -> bool:
    """Whether two objects have the same structure and equal values."""
    if isinstance(a, Relational) and isinstance(b, Relational):
        return same_relation(a, b)
    if isinstance(a, Chain) and isinstance(b, Chain):
        return _each(a._unsorted_args, b._unsorted_args)
    a, b = (each.doit() if getattr(each, "is_Matrix", False) else each for each in (a, b))
    if isinstance(a, MatrixBase) and isinstance(b, MatrixBase):
        return a.shape == b.shape and _each(a.flat(), b.flat())
    if isinstance(a, FiniteSet) and isinstance(b, FiniteSet):
        return _each_once(list(a.args), list(b.args))
    if isinstance(a, Expr) and isinstance(b, Expr) and not (a.is_Matrix or b.is_Matrix):
        return equal(a, b)
    return a == b or (a.func is b.func and bool(a.args) and _each(a.args, b.args))


def _each(left: Any, right: Any) -> bool:
    return len(left) == len(right) and all(map(_same, left, right))


def _each_once(left: list[Basic], right: list[Basic]) -> bool:
    for item in left:
        partner = next((other for other in right if _same(item, other)), None)
        if partner is None:
            return False
        right.remove(partner)
    return not right


def _rounded(decimal: str, exact: Expr) -> bool:
    value = _value(exact)
    return value is not None and stands_for(decimal, value)


def _value(exact: Any) -> Fraction | None:
    """The value of a real constant to about thirty digits; None for anything else, or where it is LARGE."""
    value = numeric(exact) if isinstance(exact, Expr) and not exact.free_symbols else None
    return Fraction(str(value)) if value is not None and value.is_real and abs(value) < LARGE else None
