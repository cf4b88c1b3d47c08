"""The floor of Pass@k: who knows a set's answers and nothing of its questions."""

import random

import pytest

from rlvr.eval import borrowed_rates
from rlvr.types import Problem
from rlvr.verify import MathVerifier

VERIFIER = MathVerifier(workers=1, timeout_s=5.0, memory_gib=1.0)


def problems(answers: list[str]) -> list[Problem]:
    return [Problem(str(index), "", (0,), answer) for index, answer in enumerate(answers)]


def test_by_hand():
    """Of four others one is the same, in whatever spelling; an answer that nobody else has is never guessed."""
    found = borrowed_rates(problems(["2", "\\frac12", "2.", "$\\frac{1}{2}$", "x^2"]), VERIFIER)
    assert list(found.values()) == [0.25, 0.25, 0.25, 0.25, 0.0]


def test_no_answer_is_no_guess():
    """References that can't be read are right for nobody, one another included."""
    assert list(borrowed_rates(problems(["", "", "7"]), VERIFIER).values()) == [0.0, 0.0, 0.0]
    assert list(borrowed_rates(problems(["7"]), VERIFIER).values()) == [0.0]


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_draw_of_another_problems_answer(seed: int):
    """The share of all ordered pairs of different problems in which the answer of one is right for the other."""
    draw = random.Random(seed)
    some = problems([str(draw.randint(0, 4)) for _ in range(12)])
    for problem in some:
        others = [other for other in some if other is not problem]
        graded = VERIFIER.grade([(problem, rf"\boxed{{{other.answer}}}") for other in others])
        share = sum(verdict.status == "right" for verdict in graded) / len(others)
        assert borrowed_rates(some, VERIFIER)[problem.id] == pytest.approx(share)
