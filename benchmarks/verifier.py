"""How right and how fast the mathematics verifier is, on a file of problems with solutions: `make bench-verifier`.

    python benchmarks/verifier.py math_train.parquet

The file has the columns problem_id, answer and solution, the solution with its answer in a box. First the solutions are
graded as completions; each should be right. Then each answer is altered so that it is wrong: another problem's answer,
the sign of a number flipped, a digit changed, or a number off by one, in turn. What comes out equal all the same, by
string or by value (read by math-verify, compared by evaluating), is left out and counted. math-verify alone extracts,
parses and compares the same texts.

Speed is beside math-verify alone on one core, one text after the other. `solutions` are as above; `sums` are harder,
distinct questions that no shortcut decides: the answer plus and minus a number, wrong in every second problem.
"""

import logging
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import math_verify
import pyarrow.parquet as pq

from rlvr.console import console
from rlvr.tables import Grid
from rlvr.types import Problem
from rlvr.verify import MathVerifier
from rlvr.verify.math.extract import boxes

Item = tuple[Problem, str]
KINDS = ("another's", "sign", "digit", "off by one")
STARTUP_VERDICTS = 1024
TURNS, TURN_VERDICTS = 8, 300
WARM_UP = 32  # enough for every process to be there
WORKERS = 2


def main() -> None:
    """Print the figures and what is left of failures."""
    logging.disable(logging.CRITICAL)
    rows = pq.read_table(sys.argv[1]).to_pylist()
    verifier = MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0)
    accuracy = [golds(rows, verifier), *wrongs(rows, verifier)]
    columns = ["answers", "graded", "left out", "judged right", "share", "math-verify alone"]
    console.print(Grid("Verdicts", columns, accuracy).rich())
    columns = ["answers", "verdicts", "by shortcut", "math-verify", f"{WORKERS} workers", "ratio"]
    console.print(Grid("Speed, verdicts a second", columns, speeds(rows)).rich())
    console.print(startup(rows))


def problem(row: dict[str, Any]) -> Problem:
    """A row as the verifier takes it."""
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
    return ["solutions", f"{len(rows)}", "0", f"{right}", f"{right / len(rows):.2%}", f"{theirs / len(rows):.2%}"]


def wrongs(rows: Sequence[dict[str, Any]], verifier: MathVerifier) -> list[list[str]]:
    """Grade altered answers."""
    draw = random.Random(0)
    altered = []
    for index, row in enumerate(rows):
        kind = KINDS[index % len(KINDS)]
        answer = alter(boxed(row), kind, draw)
        if answer is None:
            kind, answer = KINDS[0], boxed(draw.choice(rows))
        altered.append((row, kind, answer))
    items = [(problem(row), rf"\boxed{{{answer}}}") for row, _, answer in altered]
    counts = {kind: [0, 0, 0, 0] for kind in KINDS}  # graded, left out, judged right, and by math-verify alone
    for (row, kind, answer), item, verdict in zip(altered, items, verifier.grade(items), strict=True):
        right, theirs = verdict.status == "right", alone(*item)
        equal = (right or theirs) and equal_after_all(row, answer)
        counts[kind][equal] += 1
        counts[kind][2] += right and not equal
        counts[kind][3] += theirs and not equal
        if right:
            show("left out, equal" if equal else "altered, judged right", row, answer)
    counts["altered, all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    return [
        [name, f"{graded}", f"{out}", f"{right}", f"{right / graded:.2%}", f"{theirs / graded:.2%}"]
        for name, (graded, out, right, theirs) in counts.items()
    ]


def show(what: str, row: dict[str, Any], answer: str) -> None:
    """One verdict, on a line of its own."""
    console.print(f"{what}: {row['problem_id']} {row['answer']!r} <- {answer!r}", markup=False)


def alter(answer: str, kind: str, draw: random.Random) -> str | None:
    """A wrong answer made of a right one; None where this kind finds nothing to alter."""
    numbers = [number for number in re.finditer(r"(?<![0-9._^{!])[0-9]+", answer) if kind != "another's"]
    if kind == "sign":
        numbers = [number for number in numbers if int(number[0])]
    if not numbers:
        return None
    number = draw.choice(numbers)
    before, digits, after = answer[: number.start()], number[0], answer[number.end() :]
    if kind == "sign":
        return before[:-1] + digits + after if before.endswith("-") else f"{before}-{digits}{after}"
    if kind == "off by one":
        return f"{before}{int(digits) + 1}{after}"
    place = draw.randrange(len(digits))
    digit = str((int(digits[place]) + draw.randint(1, 9)) % 10)
    return before + digits[:place] + digit + digits[place + 1 :] + after


def equal_after_all(row: dict[str, Any], answer: str) -> bool:
    """Whether an altered answer is right all the same."""
    texts = [re.sub(r"\s|\\text|[{}$]|\\%|\^\\circ|\\[,!]", "", text) for text in (row["answer"], boxed(row), answer)]
    if texts[2] in texts[:2]:
        return True
    values = [
        [value.evalf(30) for value in math_verify.parse(f"${text}$") if getattr(value, "is_number", False)]
        for text in (row["answer"], answer)
    ]
    return bool(values[0] and values[1] and abs(values[0][0] - values[1][0]) <= 1e-20 * abs(values[0][0]))


# --- speed --------------------------------------------------------------------------------------------------------


def sums(rows: Sequence[dict[str, Any]]) -> list[Item]:
    """Answers that take mathematics to compare, no two alike."""
    formulas = [row for row in rows if re.fullmatch(r"[-0-9a-z\\{}+*/^() ]+", boxed(row)) and "text" not in boxed(row)]
    return [
        (problem(row), rf"\boxed{{{boxed(row)}+{index + 2}-{index + 2 + index % 2}}}")
        for index, row in enumerate(formulas)
    ]


def speeds(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Verdicts a second, ours warm; both take turns on the same items, so that both meet what else the machine does."""
    table = []
    solutions = [(problem(row), row["solution"]) for row in rows]
    for name, items in (("solutions", solutions), ("sums", sums(rows))):
        items = random.Random(0).sample(items, TURNS * TURN_VERDICTS)
        verifier = MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0)
        verifier.grade(sums(rows)[-WARM_UP:])
        theirs_s = ours_s = 0.0
        for start in range(0, len(items), TURN_VERDICTS):
            turn = items[start : start + TURN_VERDICTS]
            theirs_s += seconds(lambda turn=turn: [alone(*item) for item in turn])
            ours_s += seconds(lambda turn=turn, verifier=verifier: verifier.grade(turn))
        questions = [verifier.questions(*item).questions for item in items]
        shortcut = sum(all(verifier.plain(question) is not None for question in each) for each in questions)
        rates = [f"{len(items) / theirs_s:,.0f}", f"{len(items) / ours_s:,.0f}", f"{theirs_s / ours_s:.1f}"]
        table.append([name, f"{len(items)}", f"{shortcut / len(items):.1%}", *rates])
    return table


def alone(asked: Problem, text: str) -> bool:
    """The library by itself."""
    return math_verify.verify(math_verify.parse(f"${asked.answer}$"), math_verify.parse(text))


def seconds(work: Callable[[], Any]) -> float:
    """What it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def startup(rows: Sequence[dict[str, Any]]) -> str:
    """What the processes' start adds to a first batch; the least of three turns on different items."""
    turns = []
    for seed in range(3):
        items = random.Random(seed).sample(sums(rows), STARTUP_VERDICTS + WARM_UP)
        cold, warm = (MathVerifier(WORKERS, timeout_s=5.0, memory_gib=2.0) for _ in range(2))
        warm.grade(items[:WARM_UP])
        items = items[WARM_UP:]
        turns.append([seconds(lambda v=v, items=items: v.grade(items)) for v in (cold, warm)])
    cold_s, warm_s = min(turns, key=lambda turn: turn[0] - turn[1])
    return (
        f"{STARTUP_VERDICTS} verdicts on sums take {cold_s:.2f} s with the start of {WORKERS} processes and "
        f"{warm_s:.2f} s without: {cold_s - warm_s:.2f} s of start-up."
    )


if __name__ == "__main__":
    main()
