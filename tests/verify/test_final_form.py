"""What an answer may leave to compute, and answers that say what theirs is the value of."""

import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

pytest.importorskip("latex2sympy2_extended", reason="latex2sympy2_extended is in the extra `math`")

from rlvr.errors import ConfigError
from rlvr.types import ALTERNATIVE, Problem
from rlvr.verify import MathVerifier, Rewards
from rlvr.verify.math.judge import judge

VERIFIER = MathVerifier(workers=1, timeout_s=5.0, memory_gib=2.0)


def lines(name: str) -> list[tuple[str, ...]]:
    """Reference and answer."""
    return [tuple(line.split(" | ")) for line in Path(__file__).with_name(name).read_text().splitlines()]


def status(reference: str, answer: str) -> str:
    """As a run has it, but without another process."""
    return VERIFIER.plain((reference, answer)) or str(judge((reference, answer))[0])


@pytest.mark.parametrize(("reference", "answer"), lines("unevaluated.txt"))
def test_an_equal_value_that_is_still_to_be_computed(reference: str, answer: str):
    """It is told from a wrong one, and is right where the form doesn't matter."""
    assert status(reference, answer) == "unevaluated"
    assert judge((reference, answer), final_form=False)[0] == "right"


@pytest.mark.parametrize(("reference", "answer"), lines("finished.txt"))
def test_another_spelling_that_is_as_final(reference: str, answer: str):
    assert status(reference, answer) == "right"


@pytest.mark.parametrize(("reference", "answer"), lines("spelled.txt"))
def test_answers_as_they_are_written(reference: str, answer: str):
    assert status(reference, answer) == "right"


@pytest.mark.parametrize(("reference", "answer"), lines("different_spelled.txt"))
def test_answers_that_only_look_like_these(reference: str, answer: str):
    assert status(reference, answer) != "right"


def computed(draw: random.Random, depth: int) -> tuple[str, Fraction]:
    """Arithmetic of numbers, one step at least, and its value."""
    (left, a), (right, b) = (
        computed(draw, depth - 1) if depth > 1 and draw.random() < 0.5 else whole(draw) for _ in range(2)
    )
    ways = [(f"({left})+({right})", a + b), (f"({left})-({right})", a - b), (rf"({left})\cdot({right})", a * b)]
    if b:
        ways.append((rf"\frac{{({left})\cdot 6}}{{({right})\cdot 3}}", 2 * a / b))
    if a:
        ways.append((rf"({left})^{{2}}", a * a))
    return draw.choice(ways)


def whole(draw: random.Random) -> tuple[str, Fraction]:
    value = draw.randint(2, 40)
    return str(value), Fraction(value)


def test_no_drawn_computation_is_an_answer():
    """Whatever it is made of; its value is one."""
    draw = random.Random(0)
    for text, value in (computed(draw, 3) for _ in range(150)):
        reference = (
            str(value.numerator) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        )
        assert status(reference, text) == "unevaluated", (reference, text)
        assert status(reference, str(value)) == "right", (reference, str(value))


def surds(draw: random.Random) -> Iterator[tuple[str, str]]:
    """A surd in two orders of its terms and with its fraction outside or inside."""
    for _ in range(60):
        a, b, n, d = draw.randint(1, 9), draw.randint(1, 9), draw.choice([2, 3, 5, 6, 7]), draw.choice([1, 7, 11, 13])
        over = rf"\frac{{{a}+{b}\sqrt{{{n}}}}}{{{d}}}"
        if d > 1 and (a % d == 0 or b % d == 0):
            continue
        yield over, rf"\frac{{{b}\sqrt{{{n}}}+{a}}}{{{d}}}"
        yield over, rf"\frac{{{a}}}{{{d}}}+\frac{{{b}\sqrt{{{n}}}}}{{{d}}}"


def test_final_forms_of_surds():
    pairs = [pair for pair in surds(random.Random(0)) if r"{1}" not in pair[0]]
    assert [pair for pair in pairs if status(*pair) != "right"] == []


def test_it_is_a_status_that_earns_what_wrong_answers_do():
    """And no setting makes it right but `final_form=any`."""
    problem = Problem("id", "", (0,), "1591")
    texts = [r"\boxed{37 \cdot 43}", r"\boxed{1591}", r"\boxed{1592}"]
    rewards = Rewards(right=1.0, wrong=-0.5)
    verdicts = MathVerifier(1, 5.0, 2.0, rewards=rewards).grade([(problem, text) for text in texts])
    assert [verdict.status for verdict in verdicts] == ["unevaluated", "right", "wrong"]
    assert [verdict.reward for verdict in verdicts] == [-0.5, 1.0, -0.5]
    free = MathVerifier(1, 5.0, 2.0, final_form="any").grade([(problem, text) for text in texts])
    assert [verdict.status for verdict in free] == ["right", "right", "wrong"]
    with pytest.raises(ConfigError, match=r"verifier\.final_form=some: unknown; choose required or any"):
        MathVerifier(1, 5.0, 2.0, final_form="some")


def test_any_of_several_spellings():
    """A reference may have some; each is right, both together are not."""
    problem = Problem("id", "", (0,), ALTERNATIVE.join([r"\frac{1}{2}", "x=3"]))
    answers = ("0.5", "3", "4", "0.5, 3")
    verdicts = VERIFIER.grade([(problem, rf"\boxed{{{answer}}}") for answer in answers])
    assert [verdict.status for verdict in verdicts] == ["right", "right", "wrong", "wrong"]
    assert VERIFIER.readable([problem.answer, ALTERNATIVE.join(["1", ""])]) == [True, False]
