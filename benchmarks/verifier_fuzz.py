"""Looks for wrong answers that are judged right: `make bench-verifier-fuzz`.

    python -m benchmarks.verifier_fuzz --minutes 10 --seed 0 [math_train.parquet]

By turns it draws, first, pairs of answers whose meaning is known, since they were written from it: numbers, powers,
surds, tuples, lists, inequalities, equations, named values, numbers with words. Two that mean different things and are
judged equal are a fault. That the verifier does not simply refuse is seen in the share of pairs that mean the same and
are accepted, which is printed; it is less than one, since not every way of writing is read. Second, it draws one box, a
short formula of any kind, and holds it against many references: one that several different references accept could be
written always. Third, it alters a reference, as `benchmarks/altered.py` does; if that is judged right and math-verify
doesn't find it equal, it is a fault. The references are the file's answers, or answers drawn as above.

Ends with exit code 1 if it has found anything.
"""

import argparse
import contextlib
import logging
import random
import re
import signal
import sys
import time
from collections.abc import Iterator

import pyarrow.parquet as pq
from math_verify import parse, verify

from benchmarks.altered import ALTERATIONS
from benchmarks.answers import KINDS, Drawn, formula
from rlvr.console import bar, console
from rlvr.tables import Grid
from rlvr.verify.math.judge import judge

LIMIT_S = 3
MANY = 3  # no box may fit so many references
HELD_AGAINST = 150
MADE_WRONG = [alter for name, alter in ALTERATIONS.items() if name != "another's"]


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """End a call that takes long. Inside the verifier its process would be killed instead."""

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
    """Whether an answer is judged right. It is not where judging raises an error or takes long."""
    try:
        with limited():
            return judge((reference, answer), final_form=False)[0] == "right"
    except Exception:  # a library may raise anything; the worker would reply `error`
        return False


def alike(one: str, two: str) -> bool:
    """Whether two references may mean the same, by the verifier in either order or by math-verify."""
    return accepted(one, two) or accepted(two, one) or their_word(one, two)


def their_word(one: str, two: str) -> bool:
    """math-verify's verdict alone."""
    try:
        with limited():
            return verify(parse(f"${one}$"), parse(f"${two}$"))
    except Exception:
        return False


def pair(draw: random.Random) -> tuple[Drawn, Drawn]:
    """Two answers, which are mostly of one kind, and then often of one meaning."""
    kind = draw.choice(KINDS)
    seed = draw.random()
    one = kind(random.Random(seed))
    if draw.random() < 0.7:
        return one, kind(random.Random(draw.random() if draw.random() < 0.8 else seed))
    return one, draw.choice(KINDS)(draw)


def fits(draw: random.Random, references: list[str]) -> tuple[str, list[str]]:
    """A box, and the references that accept it, no two of which are equal."""
    box = formula(draw)
    different: list[str] = []
    for reference in draw.sample(references, min(HELD_AGAINST, len(references))):
        if accepted(reference, box) and not any(alike(other, reference) for other in different):
            different.append(reference)
            if len(different) == MANY:
                break
    return box, different


def altered(draw: random.Random, references: list[str]) -> tuple[str, str] | None:
    """A reference and an altered form of it, if the form is accepted and should not be."""
    reference = draw.choice(references)
    answer = draw.choice(MADE_WRONG)(reference, draw.choice(references), draw)
    if answer is None or re.sub(r"\s", "", answer) == re.sub(r"\s", "", reference) or not accepted(reference, answer):
        return None
    return None if their_word(reference, answer) else (reference, answer)


def search(minutes: float, seed: int, references: list[str]) -> tuple[list[list[str]], list[int]]:
    """The faults, the numbers of pairs and boxes tried, and of equal pairs accepted and drawn."""
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
                if wrong := altered(draw, references):
                    found.append(["altered", *wrong])
            box, different = fits(draw, references)
            counts[1] += 1
            if len(different) == MANY:
                found.append(["fits many", "; ".join(different), box])
            progress.advance(int(elapsed) - done)
            done = int(elapsed)
    return found, counts


def main() -> None:
    """Print each fault once."""
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
