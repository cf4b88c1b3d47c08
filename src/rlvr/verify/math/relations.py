"""Decides whether two equations or inequalities say the same: one is the other times a number."""

from typing import Any

from sympy import Eq, Expr, GreaterThan, LessThan, Ne, StrictGreaterThan, StrictLessThan, Symbol
from sympy.core.relational import Relational

from rlvr.verify.math.values import ENOUGH, numeric, plain, points, zero

_TURNED = {StrictGreaterThan: StrictLessThan, GreaterThan: LessThan}


def same_relation(a: Relational, b: Relational) -> bool:
    """Whether two relations differ only by a factor. One that always holds, or never, must be the same formula."""
    (kind, *sides), (other, *others) = _turned(a), _turned(b)
    if kind is not other:
        return False
    if not all(isinstance(side, Expr) for side in (*sides, *others)):
        return sides == others
    f, g = (plain(left - right) for left, right in (sides, others))
    if _constant(f) or _constant(g):
        return sides == others or (kind in (Eq, Ne) and sides == others[::-1])
    where = [point for point in points(f, g) if not (zero(f, point) and zero(g, point))]
    if len(where) < ENOUGH or any(zero(f, point) or zero(g, point) for point in where):
        return False
    elsewhere = {symbol: Symbol(f"{symbol}*", real=True) for symbol in f.free_symbols | g.free_symbols}
    first = {elsewhere[symbol]: value for symbol, value in where[0].items()}
    cross = f * g.xreplace(elsewhere) - g * f.xreplace(elsewhere)
    if not all(zero(cross, point | first) for point in where[1:]):
        return False
    product = numeric(f * g, where[0])
    return kind in (Eq, Ne) or bool(product is not None and product.is_positive)


def _turned(relation: Relational) -> tuple[Any, Any, Any]:
    """The kind of a relation and its sides; > and >= are turned into < and <=."""
    kind = _TURNED.get(type(relation))
    if kind:
        return kind, relation.rhs, relation.lhs
    return type(relation), relation.lhs, relation.rhs


def _constant(difference: Expr) -> bool:
    """Whether the difference of a relation's sides is constant, for example 0."""
    where = points(difference, difference)
    changes = [difference - difference.xreplace(point) for point in where[:1]]
    return all(zero(change, point) for change in changes for point in where)
