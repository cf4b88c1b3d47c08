"""Whether two formulas have the same values: exactly where they are exact, else to more digits than they can hide in.

Formulas with variables are compared at points; sides and magnitudes of the points follow the numbers in the formulas.
"""

import random
from collections.abc import Iterator
from typing import Any

from sympy import Abs, Derivative, Expr, Float, I, Limit, Pow, Rational, Symbol, preorder_traversal, sign
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef, Function

POINTS, ENOUGH = 12, 5
HIGHEST_POINT = 10_000
DIGITS, MAX_DIGITS = 30, 20_000
# A difference of two constants isn't zero if it is above 10 to the minus this many times the digits that they are of.
DEPTH = 4
FAR, SMALL = Float("1e-10"), Float("1e-20")
_UNKNOWN = (ExprWithLimits, Derivative, Limit)

Pair = tuple[Expr, Expr]
Point = dict[Symbol, Rational]


def equal(a: Expr, b: Expr) -> bool:
    """Whether b has the value of a wherever a has a real one; everywhere, where a hardly ever has."""
    a, b = _real_roots(_opaque(a)), _real_roots(_opaque(b))
    if a == b:
        return True
    constant = not a.free_symbols | b.free_symbols
    if constant and _far(a, b):
        return False
    verdicts = []
    for x, y in samples(a, b):
        verdict = zero(x - y)
        if verdict is False:
            return False
        verdicts.append(verdict)
    return verdicts.count(True) >= (1 if constant else ENOUGH)


def samples(a: Expr, b: Expr) -> list[Pair]:
    """Values of both formulas, as exact as they are; where a has real values, there alone. None where b has no such."""
    a, b = _plain(a), _plain(b)
    if not a.free_symbols | b.free_symbols:
        return [(a, b)]
    everywhere, real = [], []
    for point in _points(a, b):
        pair = a.subs(point), b.subs(point)
        x, y = map(numeric, pair)
        if x is None or y is None:
            continue
        everywhere.append(pair)
        if x.is_real:
            if not y.is_real:
                return []
            real.append(pair)
    return real if len(real) >= ENOUGH else everywhere


def numeric(value: Expr) -> Expr | None:
    """A constant to a few digits; None where it has no value."""
    number = value.evalf(DIGITS)
    if not number.is_number or not number.is_finite or number.has(*_UNKNOWN):
        return None
    re, im = number.as_real_imag()
    return re if abs(im) <= FAR * abs(re) else number


def zero(value: Expr) -> bool | None:
    """Whether a constant is zero; None where that takes too many digits."""
    if value.is_Rational:
        return bool(value.is_zero)
    if value.has(*_UNKNOWN):
        return None
    digits = DIGITS + DEPTH * _size(value)
    if digits > MAX_DIGITS:
        return None
    number = value.evalf(2, maxn=digits + DIGITS)
    return bool(abs(number) < Float(10) ** -digits) if number.is_number and number.is_finite else None


def _size(value: Expr) -> int:
    """How many digits before or behind the point all parts of a constant have together."""
    total = 0
    for part in preorder_traversal(value):
        if isinstance(part, Rational):
            total += _digits(part.p) + _digits(part.q)
        elif isinstance(part, Expr) and part.args:
            total += _magnitude(part)
            if isinstance(part, Function):  # 1 - tanh(100) is no less than exp(-200)
                total += sum(int(min(abs(n), MAX_DIGITS)) for arg in part.args if (n := numeric(arg)) is not None)
        if total > MAX_DIGITS:
            break
    return total


def _digits(number: int) -> int:
    return abs(number).bit_length() * 3 // 10


def _magnitude(value: Expr) -> int:
    number = value.evalf(2)
    sizes = [part for part in number.as_real_imag() if isinstance(part, Float) and part]
    return max((abs(int(part._mpf_[2] + part._mpf_[3])) * 3 // 10 for part in sizes), default=0)


def _far(a: Expr, b: Expr) -> bool:
    """Whether two constants are plainly different; spares the work of simplifying them."""
    x, y = numeric(a), numeric(b)
    if x is None or y is None:
        return False
    largest = max(abs(x), abs(y))
    return bool(largest > SMALL and abs(x - y) > FAR * largest)


def _points(a: Expr, b: Expr) -> Iterator[Point]:
    """Half of them on the positive side, the others on every other side that there is."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    written = {abs(number) for number in a.atoms(Rational) | b.atoms(Rational)}
    numbers = sorted(number for number in written if 1 < number < HIGHEST_POINT) or [Rational(10)]
    draw = random.Random(0)
    for index in range(POINTS):
        negative = (index // 2 or -1) if index % 2 else 0  # by symbol a bit, -1 is all of them
        yield {
            symbol: _coordinate(index // 2, numbers, draw) * (-1 if negative >> place & 1 else 1)
            for place, symbol in enumerate(symbols)
        }


def _coordinate(kind: int, numbers: list[Any], draw: random.Random) -> Any:
    if kind in (1, 4):
        return Rational(draw.randint(5, 95), 101)
    if kind == 2:
        return numbers[-1] * Rational(draw.randint(110, 190), 101)
    if kind == 3:
        return Rational(draw.randint(2, 9))
    if kind == 5:
        return draw.choice(numbers) * Rational(draw.randint(80, 120), 101)
    return Rational(draw.randint(110, 900), 101)


# --- formulas brought into a form that has values -----------------------------------------------------------------


def _plain(formula: Expr) -> Expr:
    return _real_roots(_opaque(formula)).doit()


def _opaque(formula: Expr) -> Expr:
    """Unknown functions, and what is done to them, as variables."""
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
    """Odd roots of real numbers as the real ones."""
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
