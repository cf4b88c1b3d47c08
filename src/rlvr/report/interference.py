"""The figure of a run's interference, from the rows of its metrics.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes

from rlvr.eval.difficulty import BIN_NAMES
from rlvr.report.figures import canvas, legend_beside

Row = Mapping[str, float]
# From hard (dark) to easy, told apart in grey too.
SHADES = ("#440154", "#31688E", "#35B779", "#E0B80F")
# Measured updates that the left panel averages over: a single one is mostly noise.
SMOOTHED = 20


def interference_figure(rows: Sequence[Row], path: Path) -> None:
    """The two panels of one run as a file.

    Args:
        rows: Of metrics.csv, those with `interference/` in them.
        path: Where to.
    """
    with canvas(path, 2, 1, (4.1, 3.2)) as (left, right):
        draw_interference(rows, left, right)


def draw_interference(rows: Sequence[Row], left: Axes, right: Axes) -> None:
    """Left: what an update does to right answers, by base difficulty; right: how far they have drifted since the base.

    Args:
        rows: Of metrics.csv, those with `interference/` in them.
        left: To draw on.
        right: To draw on.
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
