"""The answer on one page beside its Pass@k curves, for a talk."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from rlvr.report.figures import canvas, draw_pass_at_k
from rlvr.report.page import Answer
from rlvr.report.pool import Method

SIZE = (6.4, 6.2)  # of each half, inches
TEXT = 5.3  # inches of a line, which leaves room for the axis of the other half
POINTS_AN_INCH, LEADING, LETTER = 72, 1.35, 0.57  # line spacing and a letter's width, in sizes of the letters
TITLE, FILLED = 0.45, 0.85  # inches that the title takes, and the part of the page that text may fill
MANY = 7  # methods, whose names want a line each
LARGEST, SMALLEST = 13, 6  # letters, points


def draw_slide(answer: Answer, methods: Sequence[Method], name: str, path: Path) -> None:
    """Leave the page as PNG, and as PDF beside it.

    Args:
        answer: Of a set of problems.
        methods: Their results on it.
        name: What the set is called.
        path: Of the PNG.
    """
    lines, size = fitted([sentence.text for sentence in answer.sentences])
    lines += wrap(answer.note, _width(size))
    height = max(SIZE[1], len(lines) * LEADING * size / POINTS_AN_INCH / FILLED)  # as high as many methods need
    with canvas(path, 2, 1, (SIZE[0], height)) as (left, right):
        left.axis("off")
        left.text(0, 1, answer.title, weight="bold", size=LARGEST + 2, va="top").set_in_layout(False)
        words = left.text(0, 1 - TITLE / height, "\n".join(lines), size=size, va="top", linespacing=LEADING)
        words.set_in_layout(False)
        draw_pass_at_k(right, methods, name)
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / height), ncols=1 + (len(methods) < MANY))


def fitted(sentences: Sequence[str]) -> tuple[list[str], int]:
    """Numbered sentences in lines, and the largest letters, in points, with which they fit the left half."""
    for size in range(LARGEST, SMALLEST - 1, -1):
        width = _width(size)
        lines: list[str] = []
        for number, sentence in enumerate(sentences, start=1):
            lines += [*wrap(sentence, width, initial_indent=f"{number}. ", subsequent_indent="    "), ""]
        if len(lines) * LEADING * size <= FILLED * SIZE[1] * POINTS_AN_INCH:
            break
    return lines, size


def _width(size: int) -> int:
    """Letters of a line."""
    return int(TEXT * POINTS_AN_INCH / (LETTER * size))
