"""The answer on one page."""

import re

import pytest

from rlvr.report.slide import fitted


@pytest.mark.parametrize("count", [1, 8, 40])
def test_a_slide_has_every_word(count: int):
    """In letters as large as fit."""
    sentences = [f"Sentence {place} says something of {count} methods. " * count for place in range(5)]
    lines, size = fitted(sentences)
    words = " ".join(lines).split()
    assert [word for word in words if not re.fullmatch(r"[1-5]\.", word)] == " ".join(sentences).split()
    assert size == {1: 13, 8: 9, 40: 6}[count]
