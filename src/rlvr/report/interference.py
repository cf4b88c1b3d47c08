"""Draws the figure of a run's interference from the rows of its metrics.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes

from rlvr.eval.difficulty import BIN_NAMES
from rlvr.report.figures import canvas, legend_beside

Row = Mapping[str, float]
# From hard (dark) to easy. They can be told apart in grey print.
SHADES = ("#440154", "#31688E", "#35B779", "#E0B80F")
# The left panel averages over this many measured updates, since the value of a single one is mostly noise.
SMOOTHED = 20


def interference_figure(rows: Sequence[Row], path: Path) -> None:
    """Save the two panels of one run as a figure.

    Args:
        rows: The rows of metrics.csv that have columns `interference/`.
        path: Path of the figure.
    """
    with canvas(path, 2, 1, (4.1, 3.2)) as (left, right):
        draw_interference(rows, left, right)


def draw_interference(rows: Sequence[Row], left: Axes, right: Axes) -> None:
    """Draw how an update changes log p of right answers (left), and how far it has drifted since the base (right).

    Both are drawn by the base's success rate on the problem.

    Args:
        rows: The rows of metrics.csv that have columns `interference/`.
        left: Axes of the left panel.
        right: Axes of the right panel.
    """
    _line(left, rows, "interference/inside", "0.5", "inside the update", SMOOTHED, "--")
    for index, name in enumerate(BIN_NAMES):
        _line(left, rows, f"interference/{index}", SHADES[index], f"others, base success {name}", SMOOTHED)
        _line(right, rows, f"interference/drift_{index}", SHADES[index], f"base success {name}")
    left.set_ylabel(f"change of log p by an update\n(nats an answer, mean of {SMOOTHED})")
    right.set_ylabel("drift of log p since the base\n(nats an answer)")
    for axes in (left, right):
        axes.axhline(0, color="0.15", linewidth=0.8)
        axes.set_xlabel("optimizer step")
    legend_beside(left, fontsize=7)


def _line(axes: Axes, rows: Sequence[Row], name: str, colour: str, label: str, over: int = 1, line: str = "-") -> None:
    points = [(int(row["step"]), row[name]) for row in rows if name in row]
    if not points:
        return
    steps, values = zip(*points, strict=True)
    means = [fmean(values[max(0, last - over) : last]) for last in range(1, len(values) + 1)]
    axes.plot(steps, means, color=colour, linestyle=line, label=label)
