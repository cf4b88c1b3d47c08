"""The answer on one page beside its Pass@k curves, for a talk."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from rlvr.report.figures import canvas, draw_pass_at_k, legend_beside
from rlvr.report.page import Answer
from rlvr.report.pool import Method

SIZE = (6.4, 6.2)  # of each half, inches
TEXT = 5.3  # inches of a line, which leaves room for the axis of the other half
POINTS_AN_INCH, LEADING, LETTER = 72, 1.35, 0.57  # line spacing and a letter's width, in sizes of the letters
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
    with canvas(path, 2, 1, SIZE) as (left, right):
        left.axis("off")
        left.text(0, 1, answer.title, weight="bold", size=LARGEST + 2, va="top").set_in_layout(False)
        words = left.text(0, 0.93, "\n".join(lines), size=size, va="top", linespacing=LEADING)
        words.set_in_layout(False)
        note = "\n".join(wrap(answer.note, 100))
        left.text(0, 0, note, size=SMALLEST, va="bottom", color="0.35").set_in_layout(False)
        draw_pass_at_k(right, methods, name)
        legend_beside(right)


def fitted(sentences: Sequence[str]) -> tuple[list[str], int]:
    """Numbered sentences in lines, and the largest letters, in points, with which they fit the left half."""
    for size in range(LARGEST, SMALLEST - 1, -1):
        width = int(TEXT * POINTS_AN_INCH / (LETTER * size))
        lines: list[str] = []
        for number, sentence in enumerate(sentences, start=1):
            lines += [*wrap(sentence, width, initial_indent=f"{number}. ", subsequent_indent="    "), ""]
        if len(lines) * LEADING * size <= 0.85 * SIZE[1] * POINTS_AN_INCH:
            break
    return lines, size
