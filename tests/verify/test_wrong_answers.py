r"""Classes of wrong answers that once were judged right: an example of each, drawn cases, and their right relatives.

Each class has both, so that a verifier which refuses everything fails here, too.
"""

import random
from collections.abc import Callable
from fractions import Fraction

import pytest

from rlvr.verify.math.judge import judge

WRONG = [
    # Relations are compared without regard to scale, and what always or never holds is the same as nothing else.
    *(("x^2+1=0", r"10^{99}x=0"), ("y=2x+3", r"10^{-99}x=0"), ("y=2x+3", "0=0"), ("y=2x+3", "x=x"), ("x=x", "y=2")),
    *((r"\sin^2x+\cos^2x=1", "y=2x+3"), (r"\sin^2x+\cos^2x=1", "x=1"), ("x+y=2", "0x+0y=0")),
    # Relations are looked at on every side of zero.
    *(("|x|=2", "x=2"), (r"\sqrt{x^2}=3", "x=3"), ("|x|<2", "x<2"), (r"|x|\leq 3", r"x\leq 3")),
    # An exponent is one, and numbers are as exact as they are written.
    *(("3.61e-10", "0"), ("3.61e-10", "3.61e-11"), (r"1.6\times10^{-19}", "0"), ("1e-40", "2e-40")),
    *(("1-2^{-2019}", "1-2^{-2020}"), ("2^{-300}", "2^{-301}"), (r"e^{-200}", r"e^{-201}"), ("1", "1-10^{-17}")),
    *(("0", "10^{-400}"), ("x+10^{-40}", "x"), (r"10^{10^{10}}", r"10^{10^{11}}")),
    # What stands side by side is not added.
    *(("42", "40 2"), ("5", "(2)(3)"), ("42", r"40\ 2"), ("42", r"40 \quad 2"), ("12", "(3)(9)"), ("9", "4(5)")),
    ("7", r"3\frac{8}{2}"),
    # What follows an approximation sign is looked at.
    *((r"\frac23", r"\frac23\approx 5"), (r"\sqrt2", r"\sqrt2\approx x"), ("5", r"5 \approx \text{wrong}")),
    # A letter is a letter, whatever stands behind it.
    *((r"\gamma(a+b)", r"\Gamma(a+b)"), (r"\gamma", "0.5772156649"), (r"\gamma(x+1)", r"x\gamma(x)"), ("i", "I")),
    *(("A^T", "A"), ("f'(x)", "f(x)"), ("3!!", "720")),
    # A comma inside brackets separates.
    *(("1256", "(1,256)"), ("(1,256)", "1256"), ("(1256,2)", "(1,256,2)")),
    # A root in Unicode has all of its digits.
    *((r"3\sqrt2", "√23"), (r"\sqrt{2}\cdot3", "√23")),
    # Values belong to their names.
    *(("x=2,y=3", "y=2,x=3"), ("(x,y)=(2,3)", "(y,x)=(2,3)"), ("x=2,y=3", "a=2,b=3")),
    *((r"x_{\text{max}}", r"x_{\text{min}}"), (r"x_{\text{max}}", "x")),
    # Words that compute are no units.
    *(("5", rf"5 \text{{ {words}}}") for words in ("minus 3", "times 2", "squared", "plus one", "factorial", "or 6")),
    *(("5", r"5 \text{ thousandths}"), ("5", r"\text{negative } 5")),
    # Letters of products have their case.
    *(("AB", "ab"), ("AB", "Ab"), ("2AB", "2ab"), ("nR", "Nr")),
]
RIGHT = [
    *(("2y=4x+6", "y=2x+3"), ("y=2x+3", r"10^{40}(2x-y+3)=0"), ("|x|=2", "2|x|=4"), ("x>2", "2<x"), ("x^2=4", "4=x^2")),
    *(("3.61e-10", r"3.61\times10^{-10}"), ("1-2^{-2019}", r"\frac{2^{2019}-1}{2^{2019}}"), ("2^{-300}", "4^{-150}")),
    *(("6", "(2)(3)"), ("5", r"2\frac{1}{2}\cdot2"), ("20", "4(5)"), (r"\frac{7}{2}", r"3\frac12")),
    *((r"\frac23", r"\frac23\approx0.67"), (r"\sqrt2", r"\sqrt2\approx1.41"), (r"\sqrt2", "1.41421")),
    *((r"\gamma(a+b)", r"a\gamma+b\gamma"), ("f'(x)", "f'(x)"), ("720", "6!")),
    *(("1256", "1,256"), ("(1,256)", "(1, 256)"), (r"\sqrt{23}", "√23"), (r"3\sqrt2", "3√2"), ("x^{12}", "x¹²")),
    *(("x=2,y=3", "y=3,x=2"), ("(x,y)=(2,3)", "(2,3)"), (r"x_{\text{max}}", r"x_{\mathrm{max}}")),
    *(("5", r"5 \text{ cm}"), ("5000", r"5 \text{ thousand}"), ("0.005", r"5 \text{ thousandths}")),
    *(("xy", "yx"), ("2AB", r"AB\cdot 2"), (r"\sin^2x", r"1-\cos^2x"), (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2")),
    *((r"\sqrt[3]{-8}", "-2"), ("3", r"\log_2 8"), (r"e^{i\pi}", "-1")),
]


def right(case: tuple[str, str]) -> bool:
    """By value alone, which is the weaker claim."""
    return judge(case, final_form=False)[0] == "right"


@pytest.mark.parametrize(("reference", "answer"), WRONG)
def test_wrong(reference: str, answer: str):
    assert not right((reference, answer))


@pytest.mark.parametrize(("reference", "answer"), RIGHT)
def test_right(reference: str, answer: str):
    assert right((reference, answer))


Case = tuple[str, str]
"""A reference and an answer."""


def scaled(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """A line times any power of ten is the line; another, however small, is not, and neither is what always holds."""
    a, b, c = (draw.choice([-1, 1]) * draw.randint(1, 9) for _ in range(3))
    scale = draw.choice([-90, -40, -9, 9, 40, 90])
    line = f"{a}x+({b})y+({c})"
    other = f"{a}x+({b})y+({c + draw.randint(1, 5)})"
    right = [(f"{line}=0", f"10^{{{scale}}}({line})=0"), (f"{line}=0", f"{-3 * a}x-({3 * b})y=3({c})")]
    wrong = [(f"{line}=0", each) for each in (f"10^{{{scale}}}({other})=0", f"10^{{{scale}}}x=0", f"{line}={line}")]
    return right, [*wrong, (f"{line}={line}", f"{other}=0")]


def sided(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Both signs solve an equation of absolute values or squares."""
    n, m = draw.randint(1, 99), draw.randint(2, 9)
    given = draw.choice([f"|x|={n}", f"x^2={n * n}", rf"\sqrt{{x^2}}={n}"])
    return [(given, f"{m}\\cdot {given}".replace("=", f"={m}\\cdot "))], [(given, f"x={n}"), (given, f"x=-{n}")]


def tiny(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Powers apart from each other by what no float sees."""
    base, n = draw.choice([2, 3, 7, 10]), draw.randint(60, 900)
    one, next_one = f"{base}^{{-{n}}}", f"{base}^{{-{n + 1}}}"
    wrong = [(f"1-{one}", f"1-{next_one}"), (one, next_one), (one, "0"), (f"1+{one}", "1"), (f"x+{one}", "x")]
    return [
        (f"1-{one}", rf"\frac{{{base}^{{{n}}}-1}}{{{base}^{{{n}}}}}"),
        (one, rf"\frac{{1}}{{{base}^{{{n}}}}}"),
    ], wrong


def scientific(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Digits and an exponent, in three ways to write them."""
    digits, power = draw.choice([1.5, 3.61, 9.2]), draw.choice([-1, 1]) * draw.randint(5, 40)

    def written(number: float, exponent: int) -> str:
        return draw.choice(["{}e{}", "{}E{}", r"{}\times10^{{{}}}", r"{}\cdot 10^{{{}}}"]).format(number, exponent)

    given = written(digits, power)
    wrong = [written(digits, power + 1), written(digits, -power), written(digits + 1, power), "0"]
    return [(given, written(digits, power))], [(given, each) for each in wrong]


def side_by_side(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Factors multiply; numbers with a space between them are no number."""
    a, b = draw.randint(2, 30), draw.randint(2, 30)
    if a * b == a + b:
        b += 1
    together = draw.choice([f"({a})({b})", f"{a}({b})", rf"{a}\cdot{b}"])
    space = draw.choice([" ", r"\ ", r"\quad ", r"\, \, "])
    return [(str(a * b), together)], [(str(a + b), together), (str(a + b), f"{a}{space}{b}")]


def rounded(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """What is said to be about a value is near it."""
    value = Fraction(draw.randint(1, 99), draw.choice([3, 7, 11, 13]))
    tex, near = rf"\frac{{{value.numerator}}}{{{value.denominator}}}", round(float(value), 2)
    if value.denominator == 1:
        tex = str(value.numerator)
    return [(tex, rf"{tex}\approx{near:.2f}")], [(tex, rf"{tex}\approx{near + draw.choice([-1, 1, 7]):.2f}")]


def separated(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """A comma is a separator of thousands outside of brackets only."""
    a, b = draw.randint(1, 99), draw.randint(100, 999)
    right = [(f"{a}{b}", f"{a},{b}"), (f"({a},{b})", f"({a}, {b})")]
    return right, [(f"{a}{b}", f"({a},{b})"), (f"({a},{b})", f"{a}{b}"), (f"({a}{b},7)", f"({a},{b},7)")]


def named(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Values are those of their names, in whatever order."""
    names = draw.sample("abcmnpxyz", 2)
    one, two = draw.sample(range(-20, 20), 2)
    given, turned = (f"{names[i]}={x},{names[1 - i]}={y}" for i, x, y in ((0, one, two), (1, two, one)))
    return [(given, turned)], [(given, f"{names[1]}={one},{names[0]}={two}")]


def worded(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """A unit may stand behind a number, and nothing that changes it."""
    n = draw.randint(2, 500)
    unit = draw.choice(["cm", "apples", "dollars", "square feet"])
    words = draw.choice(["minus", "times", "divided by", "plus", "to the power"])
    changed = draw.choice(["squared", "cubed", "tenths", "hundredths", "thousand", "dozen", "factorial"])
    wrong = [(str(n), rf"{n} \text{{ {words} {draw.randint(2, 9)}}}"), (str(n), rf"{n} \text{{ {changed}}}")]
    return [(str(n), rf"{n} \text{{ {unit}}}")], wrong


def cased(draw: random.Random) -> tuple[list[Case], list[Case]]:
    """Capital letters are other names than small ones."""
    letters = draw.sample("QTUZ", 2)  # no units among them
    product = "".join(letters)
    factor = draw.randint(2, 9)
    right = [(product, product), (f"{factor}{product}", rf"{product}\cdot {factor}")]
    return right, [(product, product.lower()), (product, product[0] + product[1].lower())]


CLASSES: list[Callable[[random.Random], tuple[list[Case], list[Case]]]] = [
    *(scaled, sided, tiny, scientific, side_by_side, rounded, separated, named, worded, cased)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_drawn_cases(kind: Callable[[random.Random], tuple[list[Case], list[Case]]]):
    """A dozen of each class."""
    for seed in range(12):
        equal, wrong = kind(random.Random(f"{kind.__name__}/{seed}"))
        assert [case for case in equal if not right(case)] == []
        assert [case for case in wrong if right(case)] == []
