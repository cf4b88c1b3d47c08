"""Asks math-verify, inside a worker, whether two answers are the same mathematics. Only this file imports it."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from latex2sympy2_extended.logic import And
from math_verify import verify
from sympy import Eq, Expr, Float, GreaterThan, I, LessThan, Ne, Rational, StrictGreaterThan, StrictLessThan, Symbol
from sympy.core.relational import Relational

from rlvr.verify.math.compare import same
from rlvr.verify.math.number import number, stands_for
from rlvr.verify.worker import Question

# Its defaults read 2(3) as 2 + 3, and A as a.
_READING = ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False)
_MIXED = re.compile(r"(?<![0-9.}])([0-9]+)(\\frac\{[0-9]+\}\{[0-9]+\})")
_DECIMAL = re.compile(r"-?[0-9]*\.[0-9]+")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_I = Symbol("i", real=True)
DIGITS = 30
POINTS = 3
CLOSE, ZERO, LARGE = Float("1e-15"), Float("1e-60"), Float("1e60")


def judge(question: Question) -> bool:
    """Whether the answer (second) says what the reference (first) says."""
    wanted, given = question
    return bool(same(wanted, given, decide))


def decide(reference: str, answer: str) -> bool:
    """Whether two formulas are equal."""
    if reference.count("'") != answer.count("'"):  # it reads f' as f
        return False
    a, b = parsed(reference), parsed(answer)
    if a is None or b is None:
        return False
    relations = [_relations(formula) for formula in (a, b)]
    if relations[0] or relations[1]:
        same_number = len(relations[0]) == len(relations[1])
        return same_number and all(_same_relation(*pair) for pair in zip(*relations, strict=True))
    for decimal, other in ((reference, b), (answer, a)):
        if _DECIMAL.fullmatch(decimal):
            return isinstance(other, Expr) and _rounded(decimal, other)
    # It takes everything below 1e-15 for zero, and simplifies for long where two values would tell.
    if isinstance(a, Expr) and isinstance(b, Expr) and any(_apart(*pair) for pair in _values(a, b)):
        return False
    return bool(verify(a, b, timeout_seconds=None, raise_on_error=True))


class _Reader(_Latex2Sympy):
    """math-verify's reader, exact for decimals and without Python's `eval` of each number, a third of its time."""

    def parse_number(self, text: str) -> Any:
        digits = text.replace(",", "")
        return Rational(digits) if _PLAIN.fullmatch(digits) else super().parse_number(text)


@lru_cache(maxsize=4096)
def parsed(tex: str) -> Any:
    """A formula in `clean`'s spelling as sympy's; None where it can't be read."""
    if (value := number(tex)) is not None and "." not in tex:
        return Rational(value.numerator, value.denominator)
    tex = re.sub(r"(?<![0-9])\.(?=[0-9])", "0.", _MIXED.sub(r"(\1+\2)", tex))
    tex = re.sub(r"(?<=[0-9])\(", r"\\cdot(", tex)
    try:
        formula = _Reader(is_real=True, config=_READING).parse(tex)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # whatever the parser raises on a model's text
        return None
    return formula.subs(_I, I) if isinstance(formula, Expr) and _I in formula.free_symbols else formula


def _values(a: Expr, b: Expr) -> Iterator[tuple[Any, Any]]:
    """Both formulas' values at the same few points."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    draw = random.Random(0)
    for _ in range(POINTS if symbols else 1):
        point = {symbol: Rational(draw.randint(300, 3000), 1009) for symbol in symbols}
        yield _value(a, point), _value(b, point)


def _value(formula: Expr, point: dict[Any, Any]) -> Any:
    value = (formula.subs(point) if point else formula).evalf(DIGITS)
    return value if value.is_number and value.is_finite else None


def _apart(x: Any, y: Any) -> bool:
    if x is None or y is None:
        return False
    return bool(abs(x - y) > max(CLOSE * max(abs(x), abs(y)), ZERO))


def _relations(formula: Any) -> list[Relational]:
    """The links of a chain such as x = y = z; none where a formula claims nothing."""
    links = formula._unsorted_args if isinstance(formula, And) else [formula]
    return [link for link in links if isinstance(link, Relational)]


def _same_relation(a: Relational, b: Relational) -> bool:
    """Whether two equations or inequalities are the same but for a factor. Solving them finds no roots equal, too."""
    (kind, f), (other, g) = _against_zero(a), _against_zero(b)
    pairs = list(_values(f, g))
    if kind is not other or any(x is None or y is None or not x or not y for x, y in pairs):
        return False
    ratios = [x / y for x, y in pairs]
    return not any(_apart(ratio, ratios[0]) for ratio in ratios) and (kind in (Eq, Ne) or ratios[0].is_positive)


def _against_zero(relation: Relational) -> tuple[type, Expr]:
    turned = {StrictGreaterThan: StrictLessThan, GreaterThan: LessThan}.get(type(relation))
    difference = relation.lhs - relation.rhs
    return (turned, -difference) if turned else (type(relation), difference)


def _rounded(decimal: str, exact: Expr) -> bool:
    value = _value(exact, {})
    if value is None or not value.is_real or abs(value) > LARGE:
        return False
    return not _apart(value, Float(decimal, DIGITS)) or stands_for(decimal, Fraction(str(value)))
