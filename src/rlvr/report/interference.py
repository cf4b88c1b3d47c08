"""The figure of a run's interference, from the rows of its metrics.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from rlvr.eval.difficulty import BIN_NAMES
from rlvr.report.figures import STYLE

Row = Mapping[str, str]
# From hard (dark) to easy, told apart in grey too.
SHADES = ("#440154", "#31688E", "#35B779", "#E0B80F")
# Measured updates that the left panel averages over: a single one is mostly noise.
SMOOTHED = 20


def measured(rows: Sequence[Row]) -> list[Row]:
    """The rows that hold interference; none of a run without `callbacks=interference`."""
    return [row for row in rows if any(row.get(f"interference/drift_{index}") for index in range(len(BIN_NAMES)))]


def interference_figure(rows: Sequence[Row], path: Path) -> None:
    """Left: what an update does to right answers, by base difficulty; right: how far they have drifted since the base.

    Args:
        rows: Of metrics.csv, with at least one that `measured` finds.
        path: Where to.
    """
    found = measured(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.2), layout="constrained")
        _line(left, found, "interference/inside", "0.5", "inside the update", SMOOTHED, "--")
        for index, name in enumerate(BIN_NAMES):
            _line(left, found, f"interference/{index}", SHADES[index], f"others, base success {name}", SMOOTHED)
            _line(right, found, f"interference/drift_{index}", SHADES[index], f"base success {name}")
        left.set_ylabel(f"change of log p by an update\n(nats an answer, mean of {SMOOTHED})")
        right.set_ylabel("drift of log p since the base\n(nats an answer)")
        for axes in (left, right):
            axes.axhline(0, color="0.15", linewidth=0.8)
            axes.set_xlabel("optimizer step")
        left.legend(loc="best", fontsize=7)
        figure.savefig(path)
        plt.close(figure)


def _line(axes: Axes, rows: Sequence[Row], name: str, colour: str, label: str, over: int = 1, line: str = "-") -> None:
    points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    if not points:
        return
    steps, values = zip(*points, strict=True)
    means = [fmean(values[max(0, last - over) : last]) for last in range(1, len(values) + 1)]
    axes.plot(steps, means, color=colour, linestyle=line, label=label)
