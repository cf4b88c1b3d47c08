"""The verifier's processes under load: `make bench-pool`.

100,000 sums, each different, clean and with answers between them that hang (1 %), fill their memory (1 %) or end their
process (0.1 %), as a policy writes them that has found such a text: the same one with other numbers. Says how fast the
sums are judged in both, how many processes it took, whether each reply is the one to its question, what is left behind.
"""

import argparse
import os
import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rlvr.console import console
from rlvr.tables import Grid
from rlvr.verify import pool
from rlvr.verify.math.verifier import load_judge
from rlvr.verify.pool import KillablePool, _Worker
from rlvr.verify.worker import Judge, Question, Reply

SHARES = {"hang": 0.01, "hog": 0.01, "crash": 0.001}
WORKERS, LIMIT_S, MEMORY_GIB = 2, 1.0, 1.0
MARKS = {"hang": r"\int", "hog": r"\sum^", "crash": r"\prod_{"}


def hostile() -> Judge:
    """The real judge of mathematics, except for answers that name the harm that they do to it."""
    judge = load_judge(final_form=True)

    def judged(question: Question) -> float | Reply:
        if MARKS["hang"] in question[1]:
            time.sleep(60)
        if MARKS["hog"] in question[1]:
            held = []
            while True:
                held.append(bytearray(2**20))
        if MARKS["crash"] in question[1]:
            os._exit(1)
        return judge(question)

    return judged


@dataclass
class Result:
    """The result of one run of the pool.

    Attributes:
        seconds: Total time.
        wrong: Replies that do not belong to their questions.
        processes: Processes that were started.
        left: Those of them that are dead but still not removed.
        grown_gib: Growth of the asking process's memory.
    """

    seconds: float
    wrong: int
    processes: int
    left: int
    grown_gib: float


def questions(count: int, shares: dict[str, float]) -> list[tuple[Question, set[str]]]:
    """Sums, half of them right, mixed with the hostile answers, and the statuses that each may get."""
    draw = random.Random(0)
    asked: list[tuple[Question, set[str]]] = []
    for number in range(count):
        right = draw.random() < 0.5
        asked.append((("2", f"{number}+{2 if right else 3}-{number}"), {"unevaluated" if right else "wrong"}))
    for kind, share in shares.items():
        for number in range(int(share * count)):
            asked.append((("2", f"{MARKS[kind]} {number}"), {"timeout", "error"}))
    draw.shuffle(asked)
    return asked


def measure(asked: list[tuple[Question, set[str]]]) -> Result:
    """Measure one pool, which is made for this and warmed up."""
    from benchmarks.pool import hostile as judge  # by a name that another process can import

    made = _count_starts()
    judges = KillablePool(judge, WORKERS, LIMIT_S, MEMORY_GIB)
    while not (judges._workers and all(worker.ready for worker in judges._workers)):
        judges.ask([("2", f"{number}+1-{number}") for number in range(2 * WORKERS)])
    before, start = _resident_gib(), time.perf_counter()
    replies = judges.ask([question for question, _ in asked])
    seconds = time.perf_counter() - start
    wrong = sum(status not in expected for (_, expected), (status, _) in zip(asked, replies, strict=True))
    return Result(seconds, wrong, len(made), _zombies(), _resident_gib() - before)


def _count_starts() -> list[int]:
    """A list that grows with every process that a pool starts."""
    made: list[int] = []

    class Counted(_Worker):
        def __init__(self, load: Callable[[], Judge], timeout_s: float, memory_gib: float) -> None:
            made.append(1)
            super().__init__(load, timeout_s, memory_gib)

    pool._Worker = Counted  # type: ignore[misc]
    return made


def _resident_gib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**30


def _zombies() -> int:
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended in the meantime
            continue
        states += [state] if parent == str(os.getpid()) else []
    return states.count("Z")


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=100_000, help="sums")
    count = arguments.parse_args().count
    results = {"clean": measure(questions(count, {})), "under load": measure(questions(count, SHARES))}
    clean = count / results["clean"].seconds
    rows = []
    for name, result in results.items():
        rate = count / result.seconds
        numbers = [f"{result.wrong}", f"{result.processes}", f"{result.left}", f"{result.grown_gib:.2f}"]
        rows.append([name, f"{result.seconds:.0f}", f"{rate:,.0f}", f"{rate / clean:.2f}", *numbers])
    header = ["", "seconds", "sums/s", "of clean", "wrong replies", "processes", "zombies", "memory, GiB"]
    console.print(
        Grid(f"{count:,} sums, {WORKERS} processes, {LIMIT_S:g} s and {MEMORY_GIB:g} GiB", header, rows).rich()
    )


if __name__ == "__main__":
    main()
