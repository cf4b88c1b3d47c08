"""Measures how right and how fast the mathematics verifier is, on a file of solutions: `make bench-verifier`.

    python -m benchmarks.verifier math_train.parquet

The file has the columns problem_id, problem, answer and solution, the solution with its answer in a box. First the
solutions are graded as completions; each should be right. Then each answer is altered so that it is wrong, in every way
of `benchmarks/altered.py`. An altered answer that is still equal, by string or by value (read by math-verify, compared
by evaluating), is left out and counted. Then each question's own last formula is put into the box, and constants. What
is accepted is listed. A question without a formula is left out, but still counts. math-verify alone extracts, parses
and compares the same texts.

Speed is compared with math-verify alone on one core, one text after the other. `solutions` are as above; `sums` are
harder, distinct questions that no shortcut decides: the answer plus and minus a number, wrong in every second problem,
and graded by value alone.
"""

import logging
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import starmap
from typing import Any

import math_verify
import pyarrow.parquet as pq

from benchmarks.altered import ALTERATIONS, CONSTANTS, restated
from rlvr.console import console
from rlvr.tables import Grid
from rlvr.types import Problem
from rlvr.verify import MathVerifier
from rlvr.verify.math.extract import boxes
from rlvr.verify.math.latex import clean

Item = tuple[Problem, str]
SHOWN_CONSTANTS = 3
STARTUP_VERDICTS = 1024
TURNS, TURN_VERDICTS = 8, 300
WARM_UP = 32  # enough for every process to have started
WORKERS = 2


def main() -> None:
    """Print the results and the remaining failures."""
    logging.disable(logging.CRITICAL)
    rows = pq.read_table(sys.argv[1]).to_pylist()
    verifier = MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0)
    accuracy = [
        golds(rows, verifier),
        *wrongs(rows, verifier),
        *restatements(rows, verifier),
        *constants(rows, verifier),
    ]
    columns = ["answers", "graded", "left out", "judged right", "share", "math-verify alone"]
    console.print(Grid("Verdicts", columns, accuracy).rich())
    columns = ["answers", "verdicts", "by shortcut", "math-verify", f"{WORKERS} workers", "ratio"]
    console.print(Grid("Speed, verdicts a second", columns, speeds(rows)).rich())
    console.print(startup(rows))


def problem(row: dict[str, Any]) -> Problem:
    """A row of the file as the verifier's problem."""
    return Problem(row["problem_id"], "", (0,), row["answer"])


def boxed(row: dict[str, Any]) -> str:
    """The solution's answer."""
    return (boxes(row["solution"]) or [""])[-1]


# --- verdicts -----------------------------------------------------------------------------------------------------


def golds(rows: Sequence[dict[str, Any]], verifier: MathVerifier) -> list[str]:
    """Grade the solutions."""
    items = [(problem(row), row["solution"]) for row in rows]
    verdicts = verifier.grade(items)
    for row, verdict in zip(rows, verdicts, strict=True):
        if verdict.status != "right":
            show(f"solution {verdict.status}", row, boxed(row))
    right = sum(verdict.status == "right" for verdict in verdicts)
    theirs = sum(alone(*item) for item in items)
    return counted("solutions", len(rows), 0, right, theirs)


def wrongs(rows: Sequence[dict[str, Any]], verifier: MathVerifier) -> list[list[str]]:
    """Grade altered answers."""
    draw = random.Random(0)
    altered = []
    for row in rows:
        other = boxed(draw.choice(rows))
        answers = {kind: alter(boxed(row), other, draw) for kind, alter in ALTERATIONS.items()}
        altered += [(row, kind, answer) for kind, answer in answers.items() if answer is not None]
    items = [(problem(row), rf"\boxed{{{answer}}}") for row, _, answer in altered]
    counts = {kind: [0, 0, 0, 0] for kind in ALTERATIONS}  # graded, left out, judged right, and by math-verify alone
    for (row, kind, answer), item, verdict in zip(altered, items, verifier.grade(items), strict=True):
        right, theirs = verdict.status == "right", alone(*item)
        equal = (right or theirs) and equal_after_all(row, answer, kind)
        counts[kind][equal] += 1
        counts[kind][2] += right and not equal
        counts[kind][3] += theirs and not equal
        if right:
            show("left out, equal" if equal else f"{kind}, judged right", row, answer)
    counts["altered, all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    return [counted(name, *column) for name, column in counts.items()]


def restatements(rows: Sequence[dict[str, Any]], verifier: MathVerifier) -> list[list[str]]:
    """Grade the questions' own formulas, by the verifier's rule and by value alone."""
    found = [(row, formula) for row in rows if (formula := restated(row["problem"]))]
    items = [(problem(row), rf"\boxed{{{formula}}}") for row, formula in found]
    verdicts = verifier.grade(items)
    for (row, formula), verdict in zip(found, verdicts, strict=True):
        if verdict.status == "right":
            same = clean(formula) == clean(row["answer"])
            show(f"restated, {'the answer itself' if same else 'no more to compute'}", row, formula)
    by_value = MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0, final_form="any").grade(items)
    rights = [sum(verdict.status == "right" for verdict in each) for each in (verdicts, by_value)]
    theirs = sum(alone(*item) for item in items)
    names = ("restated", "restated, final_form=any")
    return [
        counted(name, len(rows), len(rows) - len(items), right, theirs)
        for name, right in zip(names, rights, strict=True)
    ]


def constants(rows: Sequence[dict[str, Any]], verifier: MathVerifier) -> list[list[str]]:
    """Grade the same few answers to every question: those that are right most often."""
    table = []
    for constant in CONSTANTS:
        items = [(problem(row), rf"\boxed{{{constant}}}") for row in rows]
        right = sum(verdict.status == "right" for verdict in verifier.grade(items))
        table.append((right, constant, items))
    best = sorted(table, key=lambda each: -each[0])[:SHOWN_CONSTANTS]
    return [
        counted(f"always {constant}", len(items), 0, right, sum(alone(*item) for item in items))
        for right, constant, items in best
    ]


def counted(name: str, graded: int, left_out: int, right: int, theirs: int) -> list[str]:
    """A row of the table."""
    shares = (f"{count / graded:.2%}" if graded else "" for count in (right, theirs))
    return [name, f"{graded}", f"{left_out}", f"{right}", *shares]


def show(what: str, row: dict[str, Any], answer: str) -> None:
    """Print one verdict on its own line."""
    console.print(f"{what}: {row['problem_id']} {row['answer']!r} <- {answer!r}", markup=False)


def equal_after_all(row: dict[str, Any], answer: str, kind: str) -> bool:
    """Whether an altered answer is still right. One with a value too many never is."""
    if kind in ("added item", "hedged", "dropped item"):
        return False
    texts = [
        re.sub(r"^[a-z] *=|\s|\\text|[{}$]|\\%|\^\\circ|\\[,!]", "", text)
        for text in (row["answer"], boxed(row), answer)
    ]
    if texts[2] in texts[:2]:
        return True
    values = [
        [value.evalf(30) for value in math_verify.parse(f"${text}$") if getattr(value, "is_number", False)]
        for text in (row["answer"], answer)
    ]
    return bool(values[0] and values[1] and abs(values[0][0] - values[1][0]) <= 1e-20 * abs(values[0][0]))


# --- speed --------------------------------------------------------------------------------------------------------


def sums(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Answers that can only be compared by mathematics, no two of them alike."""
    formulas = [row for row in rows if re.fullmatch(r"[-0-9a-z\\{}+*/^() ]+", boxed(row)) and "text" not in boxed(row)]
    return [
        (problem(row), rf"\boxed{{{boxed(row)}+{index + 2}-{index + 2 + index % 2}}}")
        for index, row in enumerate(formulas)
    ]


def speeds(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Verdicts a second, ours after warm-up. Both take turns on the same items, so that other load affects both."""
    table = []
    solutions = [(problem(row), row["solution"]) for row in rows]
    for name, items in (("solutions", solutions), ("sums", sums(rows))):
        items = random.Random(0).sample(items, TURNS * TURN_VERDICTS)
        verifier = MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0, final_form="any")
        verifier.grade(sums(rows)[-WARM_UP:])
        theirs_s = ours_s = 0.0
        for start in range(0, len(items), TURN_VERDICTS):
            turn = items[start : start + TURN_VERDICTS]
            theirs_s += seconds(partial(list, starmap(alone, turn)))
            ours_s += seconds(partial(verifier.grade, turn))
        questions = [verifier.questions(*item).questions for item in items]
        shortcut = sum(all(verifier.plain(question) is not None for question in each) for each in questions)
        rates = [f"{len(items) / theirs_s:,.0f}", f"{len(items) / ours_s:,.0f}", f"{theirs_s / ours_s:.1f}"]
        table.append([name, f"{len(items)}", f"{shortcut / len(items):.1%}", *rates])
    return table


def alone(asked: Problem, text: str) -> bool:
    """A verdict of the library by itself."""
    return math_verify.verify(math_verify.parse(f"${asked.answer}$"), math_verify.parse(text))


def seconds(work: Callable[[], Any]) -> float:
    """The seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def startup(rows: Sequence[dict[str, Any]]) -> str:
    """The time that the processes' start adds to a first batch, the least of three turns on different items."""
    turns = []
    for seed in range(3):
        items = random.Random(seed).sample(sums(rows), STARTUP_VERDICTS + WARM_UP)
        cold, warm = (MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0, final_form="any") for _ in range(2))
        warm.grade(items[:WARM_UP])
        items = items[WARM_UP:]
        turns.append([seconds(partial(each.grade, items)) for each in (cold, warm)])
    cold_s, warm_s = min(turns, key=lambda turn: turn[0] - turn[1])
    return (
        f"{STARTUP_VERDICTS} verdicts on sums take {cold_s:.2f} s with the start of {WORKERS} processes and "
        f"{warm_s:.2f} s without: {cold_s - warm_s:.2f} s of start-up."
    )


if __name__ == "__main__":
    main()
