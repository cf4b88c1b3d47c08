import random
import time

import pyarrow.parquet as pq
import pytest
from sets import NO_SHARED, SHARED

from rlvr.data.contamination import Match, contaminated, words

CITIES = (
    "Cities $A$ and $B$ are $45$ miles apart. Alicia lives in $A$ and Beth lives in $B$. Alicia bikes towards $B$ at "
    "18 miles per hour. How many miles from City $A$ will they be when they meet?"
)
OTHER = "Find the sum of all integer bases $b>9$ for which $17_{b}$ is a divisor of $97_{b}$."
BIKES = "Alicia bikes towards $B$ at 18 miles per hour. How many miles does she bike in $3$ hours?"


@pytest.mark.parametrize(
    "copy",
    [
        CITIES.replace(" ", "\n  "),
        CITIES.upper().replace(".", " ,"),
        CITIES.replace("$", ""),
        CITIES.replace(" miles apart", r"~\text{miles}\quad apart"),
    ],
    ids=["spacing", "case and punctuation", "dollars", "LaTeX's layout"],
)
def test_a_copy_that_only_looks_different(copy: str):
    """It is the whole problem."""
    assert contaminated([OTHER, copy], [CITIES]) == {1: Match(0, 1.0)}


def test_near_copies():
    """The last word changed, one in the middle changed, a sentence put before."""
    near = [CITIES.replace("meet?", "rest?"), CITIES.replace("18", "20"), f"Read with care: {CITIES} Explain."]
    found = contaminated(near, [OTHER, CITIES])
    assert [(row, match.evaluation, round(match.share, 2)) for row, match in found.items()] == [
        (0, 1, 0.97),
        (1, 1, 0.97),
        (2, 1, 1.0),
    ]


def test_what_is_no_copy():
    """A shared sentence, another operator in a short problem, and nothing at all."""
    assert contaminated([BIKES, "What is 1-2?", "?!"], [CITIES, "What is 1+2?", "", "..."]) == {}
    assert words("What is $1+2$?") == ("what", "is", "1", "+", "2")
    assert words(r"\dfrac{1}{2}\, x") == words(r"\frac{1}{2}x")


def test_the_size_of_deepscaler_takes_seconds():
    """40,000 against 500 problems of 60 words; no pair is compared that shares no run of words."""
    rng = random.Random(0)
    made = [" ".join(f"w{rng.randrange(2000)}" for _ in range(60)) for _ in range(40_500)]
    pool, held = made[:40_000], made[40_000:]
    pool[123] = held[7]
    start = time.process_time()
    assert contaminated(pool, held) == {123: Match(7, 1.0)}
    assert time.process_time() - start < 20


def one_word_changed(problem: str, rng: random.Random) -> str:
    """Whichever."""
    text = problem.split()
    text[rng.randrange(len(text))] = "zzz"
    return " ".join(text)


@pytest.mark.skipif(not SHARED.is_dir(), reason=NO_SHARED)
def test_real_sets():
    """MATH's training problems: none is in AMC 2023 or AIME 2025; in 500 of themselves, variants are."""
    problems = {
        name: pq.read_table(SHARED / f"{name}.parquet")["problem"].to_pylist()
        for name in ("math_train", "amc23", "aime25")
    }
    train = problems["math_train"]
    assert contaminated(train, problems["amc23"] + problems["aime25"]) == {}
    planted = [*train, problems["amc23"][3].replace(" ", "  "), problems["aime25"][5].rsplit(" ", 1)[0] + " answer."]
    found = contaminated(planted, problems["amc23"] + problems["aime25"])
    assert {row: match.evaluation for row, match in found.items()} == {7500: 3, 7501: 45}
    random.Random(0).shuffle(train)
    found = contaminated(train[500:], train[:500])
    assert len(found) == 34
    assert all(match.share < 1 for match in found.values())  # variants: the same figure or other numbers
    rng = random.Random(1)
    assert len(contaminated([one_word_changed(problem, rng) for problem in train[:500]], train[:500])) == 388
