"""Draws the figures, in a style that a paper can use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from rlvr.eval import Interval, Outcome, SplitRecord, powers_of_two
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.pool import Method

STYLE: Any = {
    "figure.dpi": 200,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
# The colours of Okabe and Ito, which colour-blind readers can tell apart. A method has one colour in all figures.
COLOURS = {
    "GRPO": "#D55E00",
    "SELF": "#0072B2",
    "BBG": "#009E73",
    "NSR": "#CC79A7",
    "GRPO-N": "#E69F00",
    "W-REINFORCE": "#56B4E9",
    "PSR": "#8C6D31",
}
SHORT_NAME = 24  # letters
LETTER_INCHES, LINE_INCHES = 0.075, 0.19  # size of a letter and a line in a legend
MARKERS = "osD^vPX*"  # to tell methods apart in grey print
COLUMNS = 3  # panels side by side
SPARE_COLOURS = (
    *("#5B4B8A", "#7F7F7F", "#B22222", "#2F4F4F", "#A6761D", "#66A61E", "#1F4E79", "#E7298A"),
    *("#BCBD22", "#17BECF", "#9C755F", "#C49C94"),
)


def draw_pass_at_k(axes: Axes, methods: Sequence[Method], name: str) -> None:
    """Draw Pass@k over k (log scale) of the base, of every method, and of random guessing, with 95 % bands."""
    ks = powers_of_two(methods[0].n)
    split = methods[0].split(0)
    if split.guess_rate is not None:
        guess = [100 * split.guess_pass_at(k) for k in ks]
        axes.plot(ks, guess, color="0.6", linestyle=":", label="random guess")
    _curve(axes, ks, [methods[0].base(k) for k in ks], "0.15", "base", "--")
    for method, colour, marker in zip(methods, colours(methods), cycle(MARKERS), strict=False):
        _curve(axes, ks, [method.trained(k) for k in ks], colour, method.label, "-", marker)
    k_axis(axes, ks)
    axes.set_ylim(0, 102)
    axes.set_ylabel(f"Pass@k on {name} problems (%)")


def draw_plane(axes: Axes, methods: Sequence[Method], name: str) -> None:
    """Draw each method's path in the plane of Pass@1 and Pass@n, from the base (square) to the last step.

    Each dot is an evaluation.
    """
    n = methods[0].n
    for method, colour in zip(methods, colours(methods), strict=True):
        ways = [_way(method.split(index), n) for index in range(len(method.runs))]
        mean_2T = draw_runs(axes, ways, colour, method.label, marker="o", markersize=2.5)
        axes.plot(*mean_2T[:, -1:], color=colour, marker="o", markersize=6)
        axes.plot(*mean_2T[:, :1], color="0.15", marker="s", markersize=6, zorder=3)
    axes.margins(x=0.12, y=0.08)
    axes.set_xlabel(f"Pass@1 on {name} problems (%)")
    axes.set_ylabel(f"Pass@{n} (%)")
    axes.plot([], [], color="0.15", marker="s", markersize=6, linestyle="none", label="base")
    axes.plot([], [], color="0.6", marker="o", markersize=6, linestyle="none", label="last step")


def draw_runs(axes: Axes, runs: Sequence[FloatArray], colour: str, label: str, **style: Any) -> FloatArray:
    """Draw a faint line for each run, and the mean of all runs up to the length of the shortest one.

    A single run is drawn once, as the mean.

    Args:
        axes: To draw on.
        runs: x and y of each run, [2, T].
        colour: Colour of the method.
        label: Label of the mean in the legend.
        style: Style of the mean's line.

    Returns:
        x and y of the mean.
    """
    if len(runs) > 1:
        for run_2T in runs:
            axes.plot(*run_2T, color=colour, linewidth=0.7, alpha=0.3)
    length = min(run_2T.shape[1] for run_2T in runs)
    mean_2T: FloatArray = np.mean([run_2T[:, :length] for run_2T in runs], axis=0)
    axes.plot(*mean_2T, color=colour, label=label, **style)
    return mean_2T


def legend_beside(axes: Axes, **style: Any) -> None:
    """Draw one legend for all panels outside them: on their right, or below them where names are long."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    if longest <= SHORT_NAME:
        figure.legend(handles, labels, loc="outside right center", **style)
        return
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (LETTER_INCHES * (longest + 6))))
    figure.set_size_inches(width, height + LINE_INCHES * -(-len(labels) // columns))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns, **style)


def _way(split: SplitRecord, n: int) -> FloatArray:
    """Pass@1 and Pass@n in percent at every evaluation, [2, T]."""
    points = [split.path[step] for step in sorted(split.path)]
    return np.array([[100 * point.pass_at(k) for point in points] for k in (1, n)])


def pass_at_k_figure(methods: Sequence[Method], path: Path, name: str) -> None:
    """Save a figure with the panel of `draw_pass_at_k`."""
    with canvas(path, 1, 1, (4.6, 3.4)) as (axes,):
        draw_pass_at_k(axes, methods, name)
        legend_beside(axes)


def path_figure(methods: Sequence[Method], path: Path, name: str) -> None:
    """Save a figure with the panel of `draw_plane`."""
    with canvas(path, 1, 1, (4.6, 3.4)) as (axes,):
        draw_plane(axes, methods, name)
        legend_beside(axes)


def evaluations_figure(outcomes: Sequence[Outcome], path: Path) -> None:
    """Save a figure of Pass@k (solid, with 95 % bands) and maj@k (dashed) of each policy over k (log scale)."""
    with canvas(path, 1, 1, (4.6, 3.4)) as (axes,):
        ks = powers_of_two(max(outcome.evaluation.n for outcome in outcomes))
        for outcome, colour in zip(outcomes, SPARE_COLOURS * len(outcomes), strict=False):
            found = outcome.evaluation.intervals()
            _curve(axes, list(found), list(found.values()), colour, f"{outcome.label}, Pass@k", "-")
            votes = [100 * interval.mean for interval in outcome.majority.values()]
            axes.plot(list(outcome.majority), votes, color=colour, linestyle="--", label=f"{outcome.label}, maj@k")
        k_axis(axes, ks)
        axes.set_ylim(0, 102)
        axes.set_ylabel(f"{outcomes[0].suite}, {len(outcomes[0].evaluation.problem_ids)} problems (%)")
        legend_beside(axes)


def rate_axes(axes: Axes, x: str, y: str) -> None:
    """Set limits and labels for a plot of one success rate against another."""
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def k_axis(axes: Axes, ks: list[int]) -> None:
    """Make the x-axis a log scale of k, with a tick at each of `ks`."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.set_xlabel("k, samples per problem")


@contextmanager
def canvas(path: Path, columns: int, rows: int, size: tuple[float, float]) -> Iterator[list[Axes]]:
    """Give axes to draw on, and save the figure afterwards as PNG and as PDF beside it.

    Args:
        path: Path of the PNG.
        columns: Number of axes side by side.
        rows: Number of rows of axes.
        size: Width and height of each of the axes, inches.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(size[0] * columns, size[1] * rows), layout="constrained", squeeze=False
        )
        yield list(axes.flat)
        figure.savefig(path)
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
        plt.close(figure)


def _curve(
    axes: Axes, ks: list[int], intervals: list[Interval], colour: str, label: str, line: str, marker: str = ""
) -> None:
    mean = [100 * interval.mean for interval in intervals]
    low = [100 * interval.low for interval in intervals]
    high = [100 * interval.high for interval in intervals]
    axes.plot(ks, mean, color=colour, linestyle=line, label=label, marker=marker, markersize=3.5)
    axes.fill_between(ks, low, high, color=colour, alpha=0.15, linewidth=0)


def colours(methods: Sequence[Method]) -> list[str]:
    """A colour for each method: the one that `COLOURS` gives it, else a spare one."""
    return colours_of([method.label for method in methods])


def colours_of(labels: Sequence[str]) -> list[str]:
    """A colour for each label, as in `colours`."""
    spare = iter(SPARE_COLOURS * len(labels))
    return [COLOURS.get(label) or next(spare) for label in labels]
