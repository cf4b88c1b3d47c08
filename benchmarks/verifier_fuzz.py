"""Looks for wrong answers that are judged right: `make bench-verifier-fuzz`.

    python benchmarks/verifier_fuzz.py --minutes 10 --seed 0 [math_train.parquet]

By turns it draws, first, pairs of answers whose meaning is known, since they were written from it: numbers, powers,
surds, tuples, lists, inequalities, equations, named values, numbers with words. Two that mean different things and are
judged equal are a fault. That the verifier does not simply refuse is seen in the share of pairs that mean the same and
are accepted, which is printed; it is less than one, since not every way of writing is read. Second, it draws one box, a
short formula of any kind, and holds it against many references: one that several different references accept could be
written always. The references are the file's answers, or answers drawn as above.

Ends with exit code 1 if it has found anything.
"""

import argparse
import contextlib
import logging
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pyarrow.parquet as pq

from rlvr.console import bar, console
from rlvr.tables import Grid
from rlvr.verify.math.judge import judge

Meaning = Any
"""What an answer says; two answers with different ones are different."""
Drawn = tuple[str, Meaning]
LIMIT_S = 3
MANY = 3  # references that no one box may fit
HELD_AGAINST = 150
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


# --- answers from what they mean -------------------------------------------------------------------------------------


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
    """Small more often than large."""
    return Fraction(draw.randint(-30, 30) * draw.choice([1, 1, 7, 101]), draw.choice([1, 1, 1, 2, 3, 5, 8]))


def number(draw: random.Random) -> Drawn:
    """Whole or not."""
    value = rational(draw)
    return fraction(draw, value), ("number", value)


def power(draw: random.Random) -> Drawn:
    """Far too large or small for a float, or next to a whole number by less than one sees."""
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
    """Of x, also times a number."""
    bound, side, strict, factor = draw.randint(-9, 9), draw.choice("<>"), draw.random() < 0.5, draw.choice([1, 2, -3])
    turned = {"<": ">", ">": "<"}[side] if factor < 0 else side
    sign = turned if strict else {"<": r"\leq ", ">": r"\geq "}[turned]
    left = "x" if factor == 1 else f"{factor}x"
    return f"{left}{sign}{factor * bound}", ("half", bound, side, strict)


def equation(draw: random.Random) -> Drawn:
    """A line, or what an absolute value or a square leaves of x; scaled by anything."""
    scale = draw.choice(["", "2", "-7", "10^{40}", "10^{-40}"])
    if draw.random() < 0.3:
        n = draw.randint(1, 9)
        return draw.choice([f"|x|={n}", f"{scale}|x|={scale or 1}({n})"]), ("both signs", n)
    a, b = draw.randint(1, 9), draw.randint(-9, 9)
    return draw.choice([f"y={a}x+({b})", f"{scale}({a}x-y+({b}))=0"]), ("line", a, b)


def named(draw: random.Random) -> Drawn:
    """Two names with their values."""
    names = sorted(draw.sample("abmnpqxyz", 2))
    values = {name: draw.randint(-9, 9) for name in names}
    order = draw.sample(names, 2)
    return ", ".join(f"{name}={values[name]}" for name in order), ("named", *values.items())


def words(draw: random.Random) -> Drawn:
    """A number of things, a number that words change, or a part of a name."""
    n = draw.randint(2, 40)
    if draw.random() < 0.4:
        return rf"{n} \text{{ {draw.choice(['apples', 'cm', 'dollars'])}}}", ("number", Fraction(n))
    if draw.random() < 0.5:
        changed = draw.choice(["squared", "cubed", "plus 3", "minus 3", "times 2", "factorial", "or 7"])
        return rf"{n} \text{{ {changed}}}", ("changed", n, changed)
    name = draw.choice(["max", "min", "in", "out"])
    return rf"x_{{\text{{{name}}}}}", ("name", name)


def polynomial(draw: random.Random) -> Drawn:
    """Expanded or as factors, with a last term that may be tiny."""
    a, b = sorted(draw.randint(-9, 9) for _ in range(2))
    tiny = draw.choice([0, 0, 0, 30, 45])
    rest = f"+10^{{-{tiny}}}" if tiny else ""
    tex = draw.choice([f"(x+({a}))(x+({b}))", f"x^2+({a + b})x+({a * b})", f"(x+({b}))(x+({a}))"])
    return tex + rest, ("polynomial", a, b, tiny)


KINDS: list[Callable[[random.Random], Drawn]] = [
    *(number, power, surd, several, inequality, equation, named, words, polynomial)
]


def formula(draw: random.Random, depth: int = 2) -> str:
    """Any short formula, sense or not."""
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


# --- the search -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Ends what takes long; inside the verifier a process of its own would be killed."""

    def over(signum: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def accepted(reference: str, answer: str) -> bool:
    """The verdict; what raises or takes long is not right."""
    try:
        with limited():
            return judge((reference, answer))
    except Exception:  # whatever a library raises; the worker says `error`
        return False


def pair(draw: random.Random) -> tuple[Drawn, Drawn]:
    """Two answers, of one kind more often than not, and then often of one meaning."""
    kind = draw.choice(KINDS)
    seed = draw.random()
    one = kind(random.Random(seed))
    if draw.random() < 0.7:
        return one, kind(random.Random(draw.random() if draw.random() < 0.8 else seed))
    return one, draw.choice(KINDS)(draw)


def fits(draw: random.Random, references: list[str]) -> tuple[str, list[str]]:
    """A box and the references, no two of them equal, that accept it."""
    box = formula(draw)
    different: list[str] = []
    for reference in draw.sample(references, min(HELD_AGAINST, len(references))):
        if accepted(reference, box) and not any(accepted(other, reference) for other in different):
            different.append(reference)
            if len(different) == MANY:
                break
    return box, different


def search(minutes: float, seed: int, references: list[str]) -> tuple[list[list[str]], list[int]]:
    """What was found, and how many pairs and boxes were tried, equal pairs accepted, of how many."""
    draw, found, counts = random.Random(seed), [], [0, 0, 0, 0]
    start = time.monotonic()
    with bar("Searching", int(60 * minutes)) as progress:
        done = 0
        while (elapsed := time.monotonic() - start) < 60 * minutes:
            for _ in range(20):
                (one, meaning), (other, another) = pair(draw)
                counts[0] += 1
                right = accepted(one, other)
                if meaning == another:
                    counts[2], counts[3] = counts[2] + right, counts[3] + 1
                elif right:
                    found.append(["unequal", one, other])
            box, different = fits(draw, references)
            counts[1] += 1
            if len(different) == MANY:
                found.append(["fits many", "; ".join(different), box])
            progress.advance(int(elapsed) - done)
            done = int(elapsed)
    return found, counts


def main() -> None:
    """Print what was found, each once."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", nargs="?", help="a parquet file with a column answer")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    if given.references:
        references = sorted(set(pq.read_table(given.references)["answer"].to_pylist()) - {""})
    else:
        references = sorted({draw.choice(KINDS)(draw)[0] for _ in range(2000)})
    found, (pairs, boxes, right, same) = search(given.minutes, given.seed, references)
    found = [list(row) for row in sorted(set(map(tuple, found)))]
    if found:
        console.print(Grid("Judged right", ["fault", "reference", "answer"], found).rich())
    share = f"{right / max(same, 1):.1%} of {same:,} pairs that mean the same accepted"
    console.print(f"{pairs:,} pairs and {boxes:,} boxes in {given.minutes:g} min: {len(found)} faults; {share}.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
