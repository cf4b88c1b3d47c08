r"""Measures how much of a formula is left to compute: 37 \cdot 43 equals 1591, but does not answer how much that is.

Work is arithmetic that could still be done: numbers or like terms to combine, powers, fractions to reduce. Kinds are
the kinds of expressions whose value is still to be found, such as a logarithm or a sum over an index. The shape tells
whether a polynomial is factored or expanded.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import gcd, prod
from typing import Any, Literal

from sympy import Add, Basic, Expr, Function, I, Integer, Mul, Pow, Rational, exp, expand_mul, pi, sqrt

from rlvr.verify.math.answer import Answer, texts
from rlvr.verify.math.number import unreduced
from rlvr.verify.math.reader import IMAGINARY, written

# Searched for in the text, since the parser itself evaluates some of them.
_KINDS = {
    "counting": r"\\binom|!",
    "sum": r"\\(?:sum|prod|ldots)(?![A-Za-z])",
    "calculus": r"\\(?:int|lim|iint|oint)(?![A-Za-z])|\\frac\{d",
    "rounding": r"\\[lr](?:floor|ceil)(?![A-Za-z])|\|",
    "divisibility": r"\\(?:gcd|lcm|mod|bmod)(?![A-Za-z])",
    "choice": r"\\(?:max|min)(?![A-Za-z])",
    "determinant": r"\\det(?![A-Za-z])|\{vmatrix\}",
    "logarithm": r"\\(?:log|ln|lg)(?![A-Za-z])",
}
_KIND = {name: re.compile(pattern) for name, pattern in _KINDS.items()}
_TRIGONOMETRY = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?(?![A-Za-z])")
_WORK = re.compile(r"(?<![A-Za-z\\])i\^|\\div(?![A-Za-z])")

Shape = Literal["factored", "expanded", ""]


@dataclass(frozen=True)
class Left:
    """What a formula leaves to compute.

    Attributes:
        work: Steps of arithmetic.
        kinds: Kinds of expressions that stand there instead of their values.
        shape: `factored` for a product of sums with variables, `expanded` for a sum of terms with variables.
        sums: Whether there is a sum of terms with variables anywhere.
    """

    work: int = 0
    kinds: frozenset[str] = frozenset()
    shape: Shape = ""
    sums: bool = False

    def __add__(self, other: "Left") -> "Left":
        shape = self.shape if self.shape == other.shape else ""
        return Left(self.work + other.work, self.kinds | other.kinds, shape, self.sums or other.sums)

    def within(self, other: "Left") -> bool:
        """Whether it leaves no more to compute than another formula."""
        reshaped = {self.shape, other.shape} == {"factored", "expanded"} or (
            self.shape == "expanded" and not other.sums
        )
        return self.work <= other.work and self.kinds <= other.kinds and not reshaped


def finished(reference: Answer, answer: Answer) -> bool:
    """Whether an answer leaves no more to compute than the reference does."""
    wanted, given = (reduce(Left.__add__, map(left, texts(each))) for each in (reference, answer))
    return given.within(wanted)


@lru_cache(maxsize=4096)
def left(tex: str) -> Left:
    """What a formula in `clean`'s spelling leaves to compute."""
    kinds = {name for name, pattern in _KIND.items() if pattern.search(tex)}
    # Each occurrence is a kind of its own, so that more occurrences leave more to compute.
    kinds |= {f"trigonometry {index}" for index, _ in enumerate(_TRIGONOMETRY.finditer(tex))}
    work, formula = unreduced(tex) + len(_WORK.findall(tex)), written(tex)
    if formula is None:
        return Left(work, frozenset(kinds))
    parts = list(_parts(formula))
    for part in parts:
        found, names = _of(part)
        work += found
        kinds |= names
    sums = any(isinstance(part, Add) and _unknown(part) for part in parts)
    return Left(work, frozenset(kinds), _shape(formula), sums)


def _parts(formula: Basic) -> Iterator[Basic]:
    """A formula and all its parts. A sum of sums counts as one sum, and a product of products as one product."""
    yield formula
    for part in _flat(formula):
        if isinstance(part, Basic) and part.args:
            yield from _parts(part)


def _flat(formula: Basic) -> Iterator[Any]:
    for arg in formula.args:
        yield from _flat(arg) if formula.func in (Add, Mul) and arg.func is formula.func else (arg,)


def _shape(formula: Any) -> Shape:
    """The shape of a formula. One with a denominator has none, since both shapes are accepted there."""
    if not isinstance(formula, Expr) or not _unknown(formula):
        return ""
    tops, bottoms = _factors(formula)
    if bottoms:
        return ""
    if len(tops) == 1 and isinstance(formula, Add):
        return "" if any(_factors(term)[1] for term in _flat(formula)) else "expanded"
    variable = [each for each in tops if _unknown(each)]
    sums = [each for each in variable if isinstance(_base(each), Add)]
    powers = [each for each in sums if isinstance(each, Pow) and isinstance(each.exp, Integer)]
    return "factored" if sums and (len(variable) > 1 or powers) else ""


def _of(part: Basic) -> tuple[int, set[str]]:
    if isinstance(part, Add):
        return _sum(part), set()
    if isinstance(part, Mul):
        return _product(part)
    if isinstance(part, Pow):
        return _power(part)
    if isinstance(part, exp):  # of a rational multiple of pi i it can be computed
        turn = (part.args[0].subs(IMAGINARY, I) / (I * pi)).doit()
        return int(turn.is_Rational is True), set()
    return 0, set()


def _sum(formula: Expr) -> int:
    """The number of like terms that could be combined, as in 2 + 3, 3x + 2x or 2(x - 1) + x."""
    terms = [term for each in _flat(formula) for term in Add.make_args(expand_mul(each.doit()))]
    return len(terms) - len({term.as_coeff_Mul()[1] for term in terms})


def _product(formula: Expr) -> tuple[int, set[str]]:
    tops, bottoms = _factors(formula)
    numbers = [[abs(int(each)) for each in factors if isinstance(each, Integer)] for factors in (tops, bottoms)]
    numbers = [[each for each in factors if each != 1] for factors in numbers]
    work = sum(max(0, len(each) - 1) for each in numbers)
    roots = [[each for each in factors if _is_root(each)] for factors in (tops, bottoms)]
    work += max(0, len(roots[0]) - 1) + max(0, len(roots[1]) - 1) + bool(roots[0] and roots[1])
    variable = [each for each in tops if isinstance(each, Add) and _unknown(each)]
    work += bool(numbers[0]) and not bottoms and any(map(_numbered, variable))
    numbers[0] += [_content(each) for each in tops if isinstance(each, Add)]
    numbers[1] += [abs(int(each.base)) for each in roots[1] if isinstance(each.base, Integer)]  # 21 over the root of 21
    work += gcd(prod(numbers[0]), prod(numbers[1])) > 1
    constant = [
        [each for each in side if isinstance(_base(each), Add) and not _unknown(each)] for side in (tops, bottoms)
    ]
    work += max(0, len(constant[0]) - 1) + len(constant[1])
    others = [each for each in (*tops, *bottoms) if not isinstance(each, Rational) and not _is_root(each)]
    work += sum(count - 1 for count in Counter(map(_whole_base, others)).values())
    divided = any(_unknown(each) and not isinstance(each, Function) for each in bottoms)  # 1/cos x is as good as sec x
    return work, {"division"} if divided else set()


def _factors(formula: Any, inverse: bool = False) -> tuple[list[Any], list[Any]]:
    """The factors of the numerator and those of the denominator."""
    if isinstance(formula, Mul):
        pairs = [_factors(arg, inverse) for arg in formula.args]
        return [each for pair in pairs for each in pair[0]], [each for pair in pairs for each in pair[1]]
    if isinstance(formula, Pow) and formula.exp == -1:
        return _factors(formula.base, not inverse)
    if isinstance(formula, Rational) and formula.q != 1:
        top, bottom = [Integer(formula.p)], [Integer(formula.q)]
        return (bottom, top) if inverse else (top, bottom)
    return ([], [formula]) if inverse else ([formula], [])


def _content(formula: Expr) -> int:
    """The greatest common divisor of a sum's coefficients; 1 where one of them is not whole."""
    coefficients = [term.doit().as_coeff_Mul()[0] for term in _flat(formula)]
    whole = all(isinstance(each, Integer) for each in coefficients)
    return gcd(*map(int, coefficients)) if whole else 1


def _numbered(formula: Expr) -> bool:
    """Whether a sum has a coefficient other than 1 and -1: 16(2x + 5) is a product to expand, 2(x + 1) is not."""
    return any(abs(term.doit().as_coeff_Mul()[0]) != 1 for term in _flat(formula))


def _power(formula: Any) -> tuple[int, set[str]]:
    base, exponent = formula.base, formula.exp
    whole = isinstance(exponent, Integer) and exponent != -1
    root = isinstance(exponent, Rational) and exponent.q > 1
    if isinstance(base, Rational):
        return int((whole and abs(base) != 10) or (root and _simplifies(abs(base), exponent))), set()
    if exponent in (0, 1) or base == IMAGINARY or (isinstance(base, Pow) and base.exp != -1 and exponent != -1):
        return 1, set()
    if whole and (isinstance(base, Mul) or (isinstance(base, Add) and not _unknown(base))):
        return 1, set()
    below = isinstance(exponent, Rational) and exponent < 0
    kinds = {"division"} if below and _unknown(base) and not isinstance(base, Function) else set()
    if root and not _unknown(base) and any(map(_is_root, base.atoms(Pow))):
        kinds.add("nested root")
    return 0, kinds


def _simplifies(base: Rational, exponent: Rational) -> bool:
    """Whether a root is rational, or can be simplified, as the root of 12 is twice the root of 3."""
    value = Pow(base, exponent)
    return isinstance(value, Rational) or (
        exponent == Rational(1, 2) and base.q == 1 and value != sqrt(base, evaluate=False)
    )


def _is_root(formula: Any) -> bool:
    """Whether it is a root of a rational number."""
    return (
        isinstance(formula, Pow)
        and isinstance(formula.exp, Rational)
        and formula.exp.q > 1
        and formula.base.is_Rational
    )


def _unknown(formula: Any) -> bool:
    """Whether there is a variable in it."""
    return bool(formula.free_symbols - {IMAGINARY})


def _whole_base(formula: Any) -> Any:
    """The base of a whole power, since x times x^2 can be combined; x times its root is as good as x^{3/2}."""
    return _base(formula) if not isinstance(formula, Pow) or formula.exp.is_Integer else formula


def _base(formula: Any) -> Any:
    return formula.base if isinstance(formula, Pow) else formula
