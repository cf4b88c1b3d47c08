"""Writes answers whose meaning is known, each in one of many ways, for `benchmarks/verifier_fuzz.py`."""

import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Meaning = Any
"""What an answer says; two answers with different ones are different."""
Drawn = tuple[str, Meaning]
TRIVIAL = [
    "0",
    "1",
    "x",
    "x=x",
    "0=0",
    "0x=0",
    "x=0",
    r"\emptyset",
    r"\infty",
    "",
    "()",
    r"\text{}",
    "true",
    "y=y",
    "1=1",
]


def fraction(draw: random.Random, value: Fraction) -> str:
    """A number, in one of the ways to write it."""
    top, bottom = abs(value.numerator), value.denominator
    sign = "-" if value < 0 else ""
    ways = [rf"{sign}\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}"] if bottom > 1 else [f"{sign}{top}"]
    if bottom == 1 and top > 3:
        part = draw.randint(1, top - 1)
        ways += [f"{sign}({part}+{top - part})", rf"{sign}\frac{{{2 * top}}}{{2}}"]
        ways += [rf"{sign}{part}\cdot{top // part}"] if top % part == 0 else []
        ways += [f"{sign}({part})({top // part})"] if top % part == 0 else []
    if bottom > 1 and top > bottom:
        whole, rest = divmod(top, bottom)
        ways += [rf"{sign}{whole}\frac{{{rest}}}{{{bottom}}}"]
    if bottom in (2, 4, 5, 8):
        ways += [f"{sign}{float(abs(value)):g}"]
    return draw.choice(ways)


def rational(draw: random.Random) -> Fraction:
    """A random rational number, which is small more often than large."""
    return Fraction(draw.randint(-30, 30) * draw.choice([1, 1, 7, 101]), draw.choice([1, 1, 1, 2, 3, 5, 8]))


def number(draw: random.Random) -> Drawn:
    """A number, whole or not."""
    value = rational(draw)
    return fraction(draw, value), ("number", value)


def power(draw: random.Random) -> Drawn:
    """A power that is far too large or small for a float, or that is almost a whole number."""
    base, exponent = draw.choice([2, 3, 10]), draw.choice([-1, 1]) * draw.choice([5, 17, 60, 300, 301])
    value = Fraction(base) ** exponent
    shift = draw.choice([0, 0, 1])
    tex = f"{base}^{{{exponent}}}"
    if base == 10 and not shift:
        tex = draw.choice([tex, f"1e{exponent}", rf"1\times10^{{{exponent}}}"])
    return (f"1+{tex}" if shift else tex), ("number", value + shift)


def surd(draw: random.Random) -> Drawn:
    """One number plus another times the root of a number without square factors."""
    a, b, n = draw.randint(-9, 9), draw.randint(1, 9), draw.choice([2, 3, 5, 6, 7])
    root = draw.choice([rf"{b}\sqrt{{{n}}}", rf"\sqrt{{{b * b * n}}}", f"{b}√{n}"])
    return (f"{a}+{root}" if a else root), ("surd", a, b, n)


def several(draw: random.Random) -> Drawn:
    """A tuple, or a list in any order."""
    values = [rational(draw) for _ in range(draw.randint(2, 3))]
    texts = [fraction(draw, value) for value in values]
    if draw.random() < 0.5:
        return f"({', '.join(texts)})", ("()", *values)
    draw.shuffle(values)
    texts = [fraction(draw, value) for value in values]
    return draw.choice(["{}", r"\{{{}\}}"]).format(", ".join(texts)), ("list", *sorted(values))


def inequality(draw: random.Random) -> Drawn:
    """An inequality in x, possibly multiplied by a number."""
    bound, side, strict, factor = draw.randint(-9, 9), draw.choice("<>"), draw.random() < 0.5, draw.choice([1, 2, -3])
    turned = {"<": ">", ">": "<"}[side] if factor < 0 else side
    sign = turned if strict else {"<": r"\leq ", ">": r"\geq "}[turned]
    left = "x" if factor == 1 else f"{factor}x"
    return f"{left}{sign}{factor * bound}", ("half", bound, side, strict)


def equation(draw: random.Random) -> Drawn:
    """The equation of a line, or one in x with an absolute value or a square, multiplied by any number."""
    scale = draw.choice(["", "2", "-7", "10^{40}", "10^{-40}"])
    if draw.random() < 0.3:
        n = draw.randint(1, 9)
        return draw.choice([f"|x|={n}", f"{scale}|x|={scale or 1}({n})"]), ("both signs", n)
    a, b = draw.randint(1, 9), draw.randint(-9, 9)
    return draw.choice([f"y={a}x+({b})", f"{scale}({a}x-y+({b}))=0"]), ("line", a, b)


def named(draw: random.Random) -> Drawn:
    """The values of two names."""
    names = sorted(draw.sample("abmnpqxyz", 2))
    values = {name: draw.randint(-9, 9) for name in names}
    order = draw.sample(names, 2)
    return ", ".join(f"{name}={values[name]}" for name in order), ("named", *values.items())


def words(draw: random.Random) -> Drawn:
    """A number of things, a number whose value words change, or a part of a name."""
    n = draw.randint(2, 40)
    if draw.random() < 0.4:
        return rf"{n} \text{{ {draw.choice(['apples', 'cm', 'dollars'])}}}", ("number", Fraction(n))
    if draw.random() < 0.5:
        changed = draw.choice(["plus 3", "minus 3", "times 2", "factorial", "or 7"])
        return rf"{n} \text{{ {changed}}}", ("changed", n, changed)
    name = draw.choice(["max", "min", "in", "out"])
    return rf"x_{{\text{{{name}}}}}", ("name", name)


def quadratic(draw: random.Random) -> Drawn:
    """A quadratic equation with given roots, multiplied by any number, with its terms on either side."""
    a, b = sorted(draw.randint(-9, 9) for _ in range(2))
    scale = draw.choice(["", "3", "-2", "10^{30}"])
    tex = f"{scale}(x^2+({-a - b})x+({a * b}))=0" if draw.random() < 0.5 else f"x^2+({a * b})=({a + b})x"
    return tex, ("quadratic", a, b)


def interval(draw: random.Random) -> Drawn:
    """An interval, in brackets or as an inequality. With two round brackets it may also be a pair of numbers."""
    a = draw.randint(-9, 8)
    b = draw.randint(a + 1, 9)
    left, right = draw.choice([("[", ")"), ("(", "]"), ("[", "]")])
    signs = {"(": "<", "[": r"\leq ", ")": "<", "]": r"\leq "}
    way = draw.choice([rf"{left}{a},{b}{right}", f"{a}{signs[left]}x{signs[right]}{b}"])
    return way, ("interval", left, a, b, right)


def polynomial(draw: random.Random) -> Drawn:
    """A polynomial, expanded or factored, with a last term that may be tiny."""
    a, b = sorted(draw.randint(-9, 9) for _ in range(2))
    tiny = draw.choice([0, 0, 0, 30, 45])
    rest = f"+10^{{-{tiny}}}" if tiny else ""
    tex = draw.choice([f"(x+({a}))(x+({b}))", f"x^2+({a + b})x+({a * b})", f"(x+({b}))(x+({a}))"])
    return tex + rest, ("polynomial", a, b, tiny)


def asked(draw: random.Random) -> Drawn:
    """The value of a formula with names in it, or an equation that gives no value."""
    value = draw.randint(-9, 60)
    names = draw.sample("abcmnpqrst", 2)
    left = draw.choice(["{}+{}", "{}-{}", "{}{}", r"\frac{{{}}}{{{}}}", "{}^2+{}^2", "100{}+{}"]).format(*names)
    if draw.random() < 0.5:
        return f"{left}={value}", ("number", Fraction(value))
    name = draw.choice("xyz")
    way = draw.choice([f"{name}+1={value}", f"2{name}={value}", f"{name}^2={value}", f"|{name}|={value}"])
    return way, ("told of", name, way[1:])


KINDS: list[Callable[[random.Random], Drawn]] = [
    *(number, power, surd, several, inequality, equation, named, words, quadratic, interval, polynomial, asked)
]


def formula(draw: random.Random, depth: int = 2) -> str:
    """Any short formula, whether it makes sense or not."""
    if not depth or draw.random() < 0.2:
        return draw.choice([*TRIVIAL, str(draw.randint(0, 20)), r"\pi", "e", "i", "y", "1e-99", "1e99", "10^{99}"])
    one, two = formula(draw, depth - 1), formula(draw, depth - 1)
    shapes = [
        *(
            "{}+{}",
            "{}-{}",
            "{}{}",
            r"{}\cdot {}",
            "{}^{{{}}}",
            r"\frac{{{}}}{{{}}}",
            "{}={}",
            "{}<{}",
            "{},{}",
            "({},{})",
        ),
        *(
            "[{},{}]",
            "{} {}",
            r"{} \text{{ or }} {}",
            r"{}\approx{}",
            r"{}\pm{}",
            r"\log_{{{}}}{{{}}}",
            r"{}\in {}",
            "{}:{}",
        ),
        *(r"\{{{},{}\}}", r"{}\to{}", r"{}\cup{}", r"{}\neq{}", r"\sqrt[{}]{{{}}}", r"{}\equiv{}", r"|{}|{}", "{}!{}"),
    ]
    return draw.choice(shapes).format(one, two)
