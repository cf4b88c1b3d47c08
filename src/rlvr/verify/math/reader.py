r"""Reads formulas with latex2sympy2_extended, math-verify's grammar. What it would misread is refused or rewritten.

By itself it adds factors that stand side by side ((2)(3) as 5), drops primes, transposes, subscripts of functions and
what follows an approximation sign, and takes I for the imaginary unit and \gamma for a function or Euler's constant.
Each of these would make different answers equal. Only this file imports the grammar.
"""

import re
from functools import lru_cache
from typing import Any

from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from latex2sympy2_extended.logic import And
from sympy import Basic, Derivative, Expr, I, Rational, Symbol

from rlvr.verify.math.number import SCIENTIFIC, number

# Its defaults read 2(3) as 2 + 3, and A as a.
_READING = ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False)
_MIXED = re.compile(r"(?<![0-9.}])([0-9]+)\\frac\{([0-9]+)\}\{([0-9]+)\}")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# Refused: numbers side by side, residues (the grammar reads them as plus or minus), approximations and words.
_UNREADABLE = re.compile(r'[0-9.] +[0-9.]|\\pmod|\\approx|["#?!]{2}|"')
_PRIMED = re.compile(r"([A-Za-z]|\\[A-Za-z]+ ?)(?:_\{([^{}]*)\})?('+)(?:_\{([^{}]*)\})?")
_ACCENTS = "vec|hat|bar|overline|overrightarrow|tilde|widetilde|widehat|dot|ddot|mathbb|mathfrak|mathscr"
_MISREAD = re.compile(rf"(?P<other>\\(?:{_ACCENTS})\{{[^{{}}]*\}}|\\Gamma ?\()|\\(?:[gG]amma ?|[A-Za-z]+)|I")
_NAMES = {r"\gamma": r"\mathscr{gamma}", r"\Gamma": r"\mathscr{Gamma}", "I": r"\mathscr{current}"}
_TRANSPOSED = re.compile(r"\^\{T\}")
_FACTOR = re.compile(r"(?<=[0-9])\(|(?<=\\pi)\(|(?<![A-Za-z\\])i\(")
IMAGINARY = Symbol("i", real=True)

Chain = And  # x = y = z


def parsed(tex: str) -> Basic | None:
    """A formula in `clean`'s spelling as a sympy object; None where it can't be read."""
    formula = written(tex)
    if isinstance(formula, Expr) and IMAGINARY in formula.free_symbols:
        return formula.subs(IMAGINARY, I)
    return formula


@lru_cache(maxsize=4096)
def written(tex: str) -> Basic | None:
    """As `parsed`, but with a symbol for the imaginary unit, since sympy evaluates expressions with its own."""
    if (value := number(tex)) is not None:
        return Rational(value.numerator, value.denominator)
    tex = _PRIMED.sub(_prime_as_subscript, tex)
    if _UNREADABLE.search(tex) or "'" in tex:
        return None
    if (match := SCIENTIFIC.fullmatch(tex)) and match["e"]:  # an exponent too large for a number
        tex = rf"{match['sign']}{match['digits']}\cdot10^{{{match['e']}}}"
    tex = re.sub(r"(?<![0-9])\.(?=[0-9])", "0.", _MIXED.sub(_sum, tex))
    tex = _MISREAD.sub(lambda match: match["other"] or _NAMES.get(match[0].strip(), match[0]), tex)
    tex = _TRANSPOSED.sub("^{(T)}", tex).replace(r"\bmod", r"\mod")
    tex = _FACTOR.sub(lambda match: match[0][:-1] + r"\cdot(", tex)
    try:
        formula = _Reader(is_real=True, config=_READING).parse(tex)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # whatever the parser raises on a model's text
        return None
    return formula if isinstance(formula, Basic) else None


def _prime_as_subscript(match: re.Match[str]) -> str:
    return f"{match[1]}_{{{match[2] or ''}{match[4] or ''}prime{len(match[3])}}}"


def _sum(match: re.Match[str]) -> str:
    """A mixed number such as 3 1/2 as one fraction; 3 4/2 is a product, and stays."""
    whole, top, bottom = map(int, match.groups())
    return rf"(\frac{{{whole * bottom + top}}}{{{bottom}}})" if top < bottom else match[0]


class _Reader(_Latex2Sympy):
    """Reads decimals exactly, without Python's `eval` of each number, which takes a third of the parser's time."""

    def parse_number(self, text: str) -> Any:
        if "," in text:  # separators of thousands are already removed
            raise ValueError
        return Rational(text) if _PLAIN.fullmatch(text) else super().parse_number(text)

    def convert_postfix_list(self, arr: Any, i: int = 0) -> Any:
        """Read factors that stand side by side as a product."""
        first = self.convert_postfix(arr[i])
        if i == len(arr) - 1:
            if isinstance(first, list):
                raise ValueError
            return first
        rest = self.convert_postfix_list(arr, i + 1)
        if isinstance(first, list):  # d/dx
            return Derivative(rest, first[0])
        if getattr(first, "is_Matrix", False) or getattr(rest, "is_Matrix", False):
            return self.mat_mul_flat(first, rest)
        return self.mul_flat(first, rest)

    def convert_postfix(self, postfix: Any) -> Any:
        if any(op.transpose() for op in postfix.postfix_op()):
            raise ValueError
        return super().convert_postfix(postfix)

    def convert_atom(self, atom: Any) -> Any:
        if (found := atom.number_subexpr()) and found.getText() != found.NUMBER().getText():  # 43_5
            raise ValueError
        return super().convert_atom(atom)

    def convert_relation(self, rel: Any) -> Any:
        if rel.APPROX():
            raise ValueError
        return super().convert_relation(rel)

    def convert_func(self, func: Any) -> Any:
        if (name := func.func_normal_single_arg()) and func.subexpr() and name.start.text[1:] not in ("log", "ln"):
            raise ValueError
        return super().convert_func(func)
