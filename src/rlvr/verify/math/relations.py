"""Whether two equations or inequalities say the same: one is the other times a number."""

from typing import Any

from sympy import Eq, Expr, GreaterThan, LessThan, Ne, StrictGreaterThan, StrictLessThan
from sympy.core.relational import Relational

from rlvr.verify.math.values import ENOUGH, equal, numeric, samples, zero

_TURNED = {StrictGreaterThan: StrictLessThan, GreaterThan: LessThan}


def same_relation(a: Relational, b: Relational) -> bool:
    """Whether two relations are the same but for a factor; what always holds, or never, has to be the same formula."""
    (kind, *sides), (other, *others) = _turned(a), _turned(b)
    if kind is not other:
        return False
    if not all(isinstance(side, Expr) for side in (*sides, *others)):
        return sides == others
    f, g = (left - right for left, right in (sides, others))
    if _constant(f) or _constant(g):
        return sides == others or (kind in (Eq, Ne) and sides == others[::-1])
    pairs = [(x, y) for x, y in samples(f, g) if not (zero(x) and zero(y))]
    if len(pairs) < ENOUGH:
        return False
    x0, y0 = pairs[0]
    if any(zero(x) or zero(y) or not equal(x * y0, x0 * y) for x, y in pairs):
        return False
    product = numeric(x0 * y0)
    return kind in (Eq, Ne) or bool(product is not None and product.is_positive)


def _turned(relation: Relational) -> tuple[Any, Any, Any]:
    """Which relation it is, never > or >=, and its sides."""
    kind = _TURNED.get(type(relation))
    if kind:
        return kind, relation.rhs, relation.lhs
    return type(relation), relation.lhs, relation.rhs


def _constant(difference: Expr) -> bool:
    """Whether both sides of a relation differ by the same everywhere, by nothing for instance."""
    values = [x for x, _ in samples(difference, difference)]
    return all(zero(x - values[0]) for x in values)
