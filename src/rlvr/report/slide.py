"""Draws a page for a talk: the answer, with the Pass@k curves beside it."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from rlvr.report.figures import canvas, draw_pass_at_k
from rlvr.report.page import Answer
from rlvr.report.pool import Method

SIZE = (6.4, 6.2)  # width and height of each half, inches
TEXT = 5.3  # length of a line, inches; it leaves room for the axis of the other half
POINTS_AN_INCH, LEADING, LETTER = 72, 1.35, 0.57  # line spacing and a letter's width, relative to the font size
TITLE, FILLED = 0.45, 0.85  # height of the title, inches, and the part of the page that text may fill
MANY = 7  # from this number of methods on, the legend has one column
LARGEST, SMALLEST = 13, 6  # font sizes, points


def draw_slide(answer: Answer, methods: Sequence[Method], name: str, path: Path) -> None:
    """Save the page as PNG, and as PDF beside it.

    Args:
        answer: The answer on a set of problems.
        methods: The methods' results on this set.
        name: Name of the set.
        path: Path of the PNG.
    """
    lines, size = fitted([sentence.text for sentence in answer.sentences])
    lines += wrap(answer.note, _width(size))
    height = max(SIZE[1], len(lines) * LEADING * size / POINTS_AN_INCH / FILLED)  # higher for more text
    with canvas(path, 2, 1, (SIZE[0], height)) as (left, right):
        left.axis("off")
        left.text(0, 1, answer.title, weight="bold", size=LARGEST + 2, va="top").set_in_layout(False)
        words = left.text(0, 1 - TITLE / height, "\n".join(lines), size=size, va="top", linespacing=LEADING)
        words.set_in_layout(False)
        draw_pass_at_k(right, methods, name)
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / height), ncols=1 + (len(methods) < MANY))


def fitted(sentences: Sequence[str]) -> tuple[list[str], int]:
    """Numbered sentences broken into lines, and the largest font size, in points, with which they fit the left half."""
    for size in range(LARGEST, SMALLEST - 1, -1):
        width = _width(size)
        lines: list[str] = []
        for number, sentence in enumerate(sentences, start=1):
            lines += [*wrap(sentence, width, initial_indent=f"{number}. ", subsequent_indent="    "), ""]
        if len(lines) * LEADING * size <= FILLED * SIZE[1] * POINTS_AN_INCH:
            break
    return lines, size


def _width(size: int) -> int:
    """Number of letters in a line at this font size."""
    return int(TEXT * POINTS_AN_INCH / (LETTER * size))
