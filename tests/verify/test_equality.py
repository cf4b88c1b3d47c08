"""Pairs of answers that say the same, or only seem to; the reference may be either of the two."""

from pathlib import Path

import pytest

pytest.importorskip("latex2sympy2_extended", reason="latex2sympy2_extended is in the extra `math`")

from rlvr.verify.math.extract import reference
from rlvr.verify.math.judge import judge


def pairs(name: str) -> list[tuple[str, str]]:
    """The two answers of each line of a file, in either order."""
    lines = [tuple(line.split(" | ")) for line in Path(__file__).with_name(name).read_text().splitlines()]
    return [pair for a, b in lines for pair in ((a, b), (b, a))]


def same(gold: str, answer: str) -> bool:
    """By value, whatever its form."""
    return judge((gold, answer), final_form=False)[0] == "right"


@pytest.mark.parametrize(("gold", "answer"), pairs("same.txt"))
def test_same(gold: str, answer: str):
    assert same(gold, answer)


@pytest.mark.parametrize(("gold", "answer"), pairs("different.txt"))
def test_different(gold: str, answer: str):
    assert not same(gold, answer)


def test_claims():
    """A chain of equations is right when all of it is; what a repackaged reference claims is left alone."""
    assert same("42", "x = 6 \\cdot 7 = 42")
    assert not same("42", "41 = 42")
    assert not same("42", "6 + 7 = 42")
    assert same("0.56=56", r"0.56 = 56\%")


def test_a_reference_may_be_a_list_or_a_solution():
    """As data sets keep them: OlympiadBench a list of strings, GSM8K a solution that ends in ####."""
    assert same(reference("['$2$', '$\\\\frac{1}{3}$']"), r"\frac13, 2")
    assert same(reference("Half of 2,468 is 1,234.\n#### 1,234"), "1234")
    assert reference(r"So \boxed{\frac12}.") == r"\frac12"
