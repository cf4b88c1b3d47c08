r"""The examples in the tables of docs/verification.md; the first spelling of an item is the reference of the others."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("latex2sympy2_extended", reason="latex2sympy2_extended is in the extra `math`")

from rlvr.verify import MathVerifier
from rlvr.verify.math.judge import judge

PAGE = Path(__file__).parents[2] / "docs/verification.md"
VERIFIER = MathVerifier(workers=1, timeout_s=5.0, memory_gib=2.0)


def rows(title: str) -> Iterator[list[str]]:
    """The cells of a table of the page behind its first one, row by row."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| ") and "---" not in line:
            yield re.split(r"(?<!\\) \| ", line.strip("| \n"))[1:]


def pairs(cell: str) -> Iterator[tuple[str, str]]:
    """Items are separated by semicolons, and their spellings stand between backticks."""
    for item in re.findall(r"(?:`[^`]*`|[^;`])+", cell):
        reference, *others = [span.replace(r"\|", "|") for span in re.findall("`([^`]*)`", item)] or [""]
        yield from ((reference, other) for other in others)


def examples(title: str, column: int) -> list[tuple[str, str]]:
    """All pairs of a column."""
    found = [pair for row in list(rows(title))[1:] for pair in pairs(row[column])]
    assert len(found) > 10
    return found


def status(reference: str, answer: str) -> str:
    """As a run has it, but without another process."""
    return VERIFIER.plain((reference, answer)) or str(judge((reference, answer))[0])


@pytest.mark.parametrize(("reference", "answer"), examples("What is equal to what", 0))
def test_equal(reference: str, answer: str):
    assert judge((reference, answer), final_form=False)[0] == "right"


@pytest.mark.parametrize(("reference", "answer"), examples("What is equal to what", 1))
def test_not_equal(reference: str, answer: str):
    assert judge((reference, answer), final_form=False)[0] == "wrong"


@pytest.mark.parametrize(("reference", "answer"), examples("Final form", 0))
def test_unevaluated(reference: str, answer: str):
    assert status(reference, answer) == "unevaluated"


@pytest.mark.parametrize(("reference", "answer"), examples("Final form", 1))
def test_final(reference: str, answer: str):
    assert status(reference, answer) == "right"
