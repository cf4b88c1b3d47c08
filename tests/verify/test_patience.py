"""A thousand answers that hang the judge cost a few time limits; what else has their shape is still judged."""

import os
import random
import time

import pytest
from pools import wait_for_all

from rlvr.types import Problem
from rlvr.verify import MathVerifier, pool
from rlvr.verify.patience import COSTLY, HOPELESS, REMEMBERED, RETRIED, Patience, shape
from rlvr.verify.pool import KillablePool

TOWERS = [r"9^{9^{9^{9}}}", r"17^{23^{31^{12}}}", r"x^{y^{9^{9^{9^{9^{9}}}}}}"]


def test_a_shape_is_what_numbers_names_and_repetition_leave():
    """Towers of any height and any digits are one; a sum is another."""
    assert shape(TOWERS[0]) == shape(TOWERS[1]) == shape(r"2^{3^{4^{5^{6^{7}}}}}")
    assert shape("x + 1") == shape("yz + 205")
    assert len({shape(TOWERS[0]), shape("1+1"), shape(r"\frac{1}{2}"), shape("1,2")}) == 4
    assert shape("") == ""


@pytest.mark.parametrize("seed", range(20))
def test_a_shape_does_not_depend_on_its_numbers(seed: int):
    """Drawn texts, twice with other digits of the same places."""
    draw = random.Random(seed)
    marks = [draw.choice(["+", "-", r"\frac", "{", "}", "^", "(", ")", ",", "N", "N", "N"]) for _ in range(30)]
    one, two = ("".join(str(draw.randint(1, 10**6)) if mark == "N" else mark for mark in marks) for _ in range(2))
    assert shape(one) == shape(two)


def test_time_shrinks_with_what_was_lost_and_comes_back():
    """Five seconds, half a second, nothing but a trial now and then; and all of it again after enough cheap ones."""
    patience, question = Patience(5.0), ("2", "9^{9}")
    assert patience.seconds(question) == 5.0
    patience.note(question, cheap=False)
    assert patience.seconds(question) == 0.5
    for _ in range(HOPELESS // COSTLY - 1):
        assert patience.seconds(("3", "8^{7}")) == 0.5
        patience.note(question, cheap=False)
    tried = [patience.seconds(question) for _ in range(2 * RETRIED)]
    assert [index + 1 for index, seconds in enumerate(tried) if seconds] == [RETRIED, 2 * RETRIED]
    assert patience.seconds(("2", "1+1")) == 5.0
    for _ in range(HOPELESS):
        patience.note(question, cheap=True)
    assert patience.seconds(question) == 5.0


def test_a_limit_is_never_lengthened():
    """A tenth of a short limit would be less than a process needs to be heard."""
    patience = Patience(0.1)
    patience.note(("", "1+1"), cheap=False)
    assert patience.seconds(("", "1+1")) == 0.1


def test_what_is_remembered_has_an_end():
    """The oldest shape goes first."""
    patience = Patience(5.0)
    for length in range(REMEMBERED + 1):
        patience.note(("", f"{length:b}".replace("1", "+").replace("0", "-*")), cheap=False)
    assert len(patience._known) <= REMEMBERED


def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every process that a pool starts."""
    made: list[int] = []

    class Counted(pool._Worker):
        def __init__(self, *arguments) -> None:
            made.append(1)
            super().__init__(*arguments)

    monkeypatch.setattr(pool, "_Worker", Counted)
    return made


@pytest.mark.full
def test_many_towers_use_up_few_processes(monkeypatch: pytest.MonkeyPatch):
    """100 different ones among right answers and wrong ones: each of those is judged, none of these is right."""
    verifier = MathVerifier(workers=2, timeout_s=4.0, memory_gib=2.0)
    wait_for_all(verifier)
    made, draw = started(monkeypatch), random.Random(0)
    towers = [rf"{draw.randint(7, 99)}^{{{draw.randint(7, 99)}^{{{draw.randint(7, 99)}^{{9}}}}}}" for _ in range(100)]
    items = []
    for index, tower in enumerate(towers):
        for answer in (tower, f"{index}+2-{index}", f"{index}+3-{index}"):
            items.append((Problem("id", "prompt", (0,), "2"), rf"\boxed{{{answer}}}"))
    statuses = [verdict.status for verdict in verifier.grade(items)]
    assert "right" not in statuses[::3]
    assert set(statuses[1::3]) == {"unevaluated"}
    assert set(statuses[2::3]) == {"wrong"}
    assert len(made) < 20


def hostile():
    """A judge that hangs, fills its memory, ends its process, or says what it is told, by the answer's own words."""

    def judge(question):
        word = question[1].split()[0].strip("!")
        if word == "hang":
            time.sleep(60)
        if word == "hog":
            held = []
            while True:
                held.append(bytearray(2**20))
        if word == "crash":
            os._exit(1)
        return word == "yes"

    return judge


@pytest.mark.full
def test_a_pool_under_load_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    """1,500 questions, of which one in a hundred hangs, one fills memory, one in a thousand crashes: all in order."""
    asked, draw = KillablePool(hostile, workers=2, timeout_s=3.0, memory_gib=1.0), random.Random(1)
    words = ["hang", "hog", "crash", "yes", "no"]
    # As hostile answers are, of a shape of their own each kind.
    questions = [("", f"{word}{'!' * words.index(word)} {n}") for n, word in enumerate(_drawn(draw, words, 1500))]
    made = started(monkeypatch)
    statuses = [status for status, _ in asked.ask(questions)]
    for (_, answer), status in zip(questions, statuses, strict=True):
        word = answer.split()[0].strip("!")
        expected = {"yes": {"right"}, "no": {"wrong"}, "hang": {"timeout"}}.get(word, {"error", "timeout"})
        assert status in expected, answer
    assert len(made) < 40


def _drawn(draw: random.Random, words: list[str], count: int) -> list[str]:
    return draw.choices(words, weights=[10, 10, 1, 489, 490], k=count)
