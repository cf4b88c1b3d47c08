r"""Finds answers that give the value of a formula: m + n = 42, \frac{NO}{BO} = \frac12, V_1 : V_2 = 3 : 4.

An equation in one unknown isn't one of them: x + 1 = 5 doesn't say that x is 5.
"""

import re

_WORDS = re.compile(r'\\(?!angle|triangle|alpha|beta|gamma|theta|phi)[A-Za-z]+ ?|"[^"]*"')
_GREEK = r"\\(?:alpha|beta|gamma|theta|phi) ?"
_NAME = re.compile(rf"(?:{_GREEK}|[A-Z]{{2,5}}|[A-Za-z])(?:_\{{[^{{}}]*\}})?'*")
_APPLIED = re.compile(r"[A-Za-z](?:_\{[0-9]+\})?'*\((?:-?[0-9.,]+|\\frac\{-?[0-9]+\}\{[0-9]+\}|[A-Z])*\)")
_ANGLE = re.compile(rf"(?:\d*\\(?:sin|cos|tan|cot|sec|csc) ?(?:\^\{{2\}})?\(?(?:\\angle ?[A-Z]+|[A-Z]|{_GREEK})\)?)")
# Signs of an equation, as in (x-1)^2+y^2 = 3: relations, exponents that are formulas, and added numbers.
_EQUATION = re.compile(r"[<>,;]|\^\{[^{}]*[A-Za-z]|(?:^|[(|])[0-9]+[-+]|[-+][0-9.]+(?:[-+)|]|$)")
_CONSTANT = re.compile(
    r'\\(?:frac|sqrt|pi|cdot|times|binom|infty|ln|log|sin|cos|tan|leq|approx)(?![A-Za-z])|"[^"]*"|\be\b|\bi\b'
)


def value_of(tex: str) -> tuple[str, str] | None:
    """The formula and its value, the two sides of such an answer; None where the answer is not of this kind.

    Args:
        tex: An answer in `clean`'s spelling.
    """
    left, equals, right = tex.partition("=")
    if not (left and equals and right) or re.search("[A-Za-z]", _CONSTANT.sub("", right)) or _EQUATION.search(left):
        return None
    rest = left
    while (shorter := _APPLIED.sub("", rest)) != rest:  # again for the outer one, as in f(g(2))
        rest = shorter
    if re.search(r"(?<![A-Za-z\\])[fgh]\(", rest):  # its argument isn't known
        return None
    names = set(_NAME.findall(_WORDS.sub("", rest)))
    applied = rest != left and not names
    equation = right.strip("-") == "0" and re.search("[0-9]", re.sub(r"[_^]\{[^{}]*\}", "", left))
    if equation or not (applied or len(names) > 1 or _ANGLE.fullmatch(left)):
        return None
    return left, right
