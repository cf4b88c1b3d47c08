"""Decides whether two formulas have the same values: exactly, or to more digits than a difference can hide behind.

Formulas with variables are compared at drawn points. These have all signs, and magnitudes like those of the numbers in
the formulas.
"""

import random
from collections.abc import Iterator
from typing import Any

from sympy import (
    Abs,
    Derivative,
    Expr,
    Float,
    I,
    Limit,
    Mod,
    Pow,
    Rational,
    Symbol,
    binomial,
    factorial,
    gamma,
    preorder_traversal,
    sign,
)
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef, Function

POINTS, ENOUGH = 12, 5
HIGHEST_POINT = 10_000
DIGITS, MAX_DIGITS = 30, 20_000
# A difference counts as zero below 10^-(DIGITS + DEPTH n), where n is the number of digits in all its parts together.
DEPTH = 4
FAR, SMALL = Float("1e-10"), Float("1e-20")
_WHOLE = (factorial, binomial, gamma)  # evaluated at whole numbers only: elsewhere they take long
_UNKNOWN = (ExprWithLimits, Derivative, Limit)

Point = dict[Symbol, Rational]


def equal(a: Expr, b: Expr) -> bool:
    """Whether b equals a at all points where a is real, or at all points if a is hardly ever real."""
    a, b = _real_roots(_opaque(a)), _real_roots(_opaque(b))
    if a == b:
        return True
    constant = not a.free_symbols | b.free_symbols
    if constant and _far(a, b):
        return False
    a, b = a.doit(), b.doit()
    enough = 1 if constant else ENOUGH
    for point in points(a, b):
        verdict = zero(a - b, point)
        if verdict is False:
            return False
        enough -= verdict is True or (constant and verdict is None and _near(a, b))
    return enough <= 0


def plain(formula: Expr) -> Expr:
    """A formula in a form that has values, with variables for unknown functions."""
    return _real_roots(_opaque(formula)).doit()


def points(a: Expr, b: Expr) -> list[Point]:
    """Points to compare plain formulas at: where a is real, if that isn't rare; none where b is not real at one."""
    if not a.free_symbols | b.free_symbols:
        return [{}]
    everywhere, real = [], []
    for point in _drawn(a, b):
        x, y = numeric(a, point), numeric(b, point)
        if x is None or y is None:
            continue
        everywhere.append(point)
        if x.is_real:
            if not y.is_real:
                return []
            real.append(point)
    return real if len(real) >= ENOUGH else everywhere


def numeric(formula: Expr, point: Point | None = None) -> Expr | None:
    """The value of a formula at a point to DIGITS digits; None where it has none."""
    number = formula.evalf(DIGITS, subs=point or None)
    if not number.is_number or not number.is_finite or number.has(Mod, *_UNKNOWN):
        return None
    re, im = number.as_real_imag()
    return re if abs(im) <= FAR * abs(re) else number


def zero(formula: Expr, point: Point) -> bool | None:
    """Whether a plain formula is zero at a point; None where that takes too many digits, or it has no value there."""
    if formula.is_Rational:
        return bool(formula.is_zero)
    if formula.has(*_UNKNOWN):
        return None
    digits = DIGITS + DEPTH * _size(formula, point)
    if digits > MAX_DIGITS:
        return None
    number = formula.evalf(2, subs=point or None, maxn=2 * digits)
    return bool(abs(number) < Float(10) ** -digits) if number.is_number and number.is_finite else None


def _size(formula: Expr, point: Point) -> int:
    """How many digits before or behind the decimal point all parts of a formula have together."""
    total = 0
    for part in preorder_traversal(formula):
        if isinstance(part, Rational):
            total += _digits(part.p) + _digits(part.q)
        elif isinstance(part, Expr) and (part.args or part in point):
            total += _magnitude(part, point)
            if isinstance(part, Function):  # 1 - tanh(100) is about as small as exp(-200)
                values = [numeric(arg, point) for arg in part.args if isinstance(arg, Expr)]
                total += sum(int(min(abs(value), MAX_DIGITS)) for value in values if value is not None)
        if total > MAX_DIGITS:
            break
    return total


def _digits(number: int) -> int:
    return abs(number).bit_length() * 3 // 10


def _magnitude(part: Expr, point: Point) -> int:
    if part in point:
        return _digits(point[part].p) + _digits(point[part].q)
    number = part.evalf(2, subs=point or None)
    sizes = [part for part in number.as_real_imag() if isinstance(part, Float) and part]
    return max((abs(int(part._mpf_[2] + part._mpf_[3])) * 3 // 10 for part in sizes), default=0)


def _far(a: Expr, b: Expr) -> bool:
    """Whether two constants are plainly different, which saves the work of simplifying them."""
    x, y = numeric(a), numeric(b)
    if x is None or y is None:
        return False
    largest = max(abs(x), abs(y))
    return bool(largest > SMALL and abs(x - y) > FAR * largest)


def _near(a: Expr, b: Expr) -> bool:
    """Whether two constants agree to 20 digits, where one has an integral or a limit that nothing simplifies."""
    if not (a.has(*_UNKNOWN) or b.has(*_UNKNOWN)):
        return False
    x, y = (each.evalf(DIGITS) for each in (a, b))
    return bool(x.is_Float and y.is_Float and abs(x - y) <= SMALL * max(abs(x), abs(y)))


def _drawn(a: Expr, b: Expr) -> Iterator[Point]:
    """Draw points. Half of them have only positive coordinates, the others have all other combinations of signs."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    written = {abs(number) for number in a.atoms(Rational) | b.atoms(Rational)}
    whole = a.has(*_WHOLE) or b.has(*_WHOLE)
    numbers = sorted(number for number in written if 1 < number < HIGHEST_POINT) or [Rational(10)]
    draw = random.Random(0)
    for index in range(POINTS):
        negative = (index // 2 or -1) if index % 2 else 0  # one bit for each symbol, -1 for all of them
        yield {
            symbol: _coordinate(3 if whole else index // 2, numbers, draw) * (-1 if negative >> place & 1 else 1)
            for place, symbol in enumerate(symbols)
        }


def _coordinate(kind: int, numbers: list[Any], draw: random.Random) -> Any:
    if kind in (1, 4):
        return Rational(draw.randint(5, 95), 101)
    if kind == 2:
        return numbers[-1] * Rational(draw.randint(110, 190), 101)
    if kind == 3:
        return Rational(draw.randint(2, 19))
    if kind == 5:
        return draw.choice(numbers) * Rational(draw.randint(80, 120), 101)
    return Rational(draw.randint(110, 900), 101)


# --- formulas brought into a form that has values -----------------------------------------------------------------


def _opaque(formula: Expr) -> Expr:
    """Replace unknown functions, and their derivatives, integrals and limits, by variables."""
    if isinstance(formula, _UNKNOWN):
        unknown = formula.has(AppliedUndef) or (isinstance(formula, Derivative) and formula.expr.is_Symbol)
    else:
        unknown = isinstance(formula, AppliedUndef)
    if unknown:
        return Symbol(f"<{formula.func(*(arg.doit() for arg in formula.args))}>", real=True)
    if not formula.has(AppliedUndef, Derivative):
        return formula
    return formula.func(*(_opaque(arg) if isinstance(arg, Expr) else arg for arg in formula.args))


def _real_roots(formula: Expr) -> Expr:
    """Replace odd roots of real numbers by the real roots."""
    return formula.replace(_is_odd_root, _real_root)


def _is_odd_root(formula: Any) -> bool:
    if not isinstance(formula, Pow):
        return False
    base, exponent = formula.args
    return isinstance(exponent, Rational) and exponent.q % 2 == 1 and exponent.q > 1 and not base.has(I)


def _real_root(root: Any) -> Expr:
    base, exponent = root.args
    if base.is_positive or not base.is_extended_real:
        return Pow(base, exponent)
    return sign(base) ** exponent.p * Abs(base) ** exponent
