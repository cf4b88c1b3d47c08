"""Figures of the frontier study: methods against GRPO and since the base, and every run of the choosing seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rlvr.eval.bands import Band
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.figures import canvas
from studies.frontier.endings import Ending, one_and_many
from studies.frontier.frontier import Frontier
from studies.frontier.record import read
from studies.frontier.setting import CHOOSING, MANY, METHODS, Run
from studies.frontier.way import Way

COLUMNS = 4
SIZE = (2.3, 1.9)  # of a panel, inches
WIDE = (4.4, 3.8)  # of a panel with all methods
AXES = ("Pass@1 (%)", "Pass@256 (%)")
OURS, GRPO = "#0072B2", "0.45"
RATE_COLOURS = ("#E69F00", "#009E73", "#0072B2", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#8C6D31")


def answer_figure(found: Mapping[str, Frontier], endings: Mapping[str, Sequence[Ending]], path: Path) -> None:
    """Both in changes since the base. Left: where each learning rate of each method ends. Right: the ways there.

    Args:
        found: The frontiers since the base. GRPO's has its simultaneous band; the others' are in `frontier_figure`.
        endings: Where each method's learning rates end.
        path: The file.
    """
    looks = dict(zip(METHODS, [("-", GRPO), *product(("-", "--"), RATE_COLOURS)], strict=False))  # GRPO is the first
    with canvas(path, 2, 1, WIDE) as (ends, ways):
        for method, by_rate in endings.items():
            line, colour = looks[method]
            face = colour if line == "-" else "white"
            _ends(ends, by_rate, colour, face, front=method == "grpo")
            (mark,) = ways.plot([], [], line, marker="o", markersize=4, color=colour, markerfacecolor=face)
            mark.set_label(METHODS[method].label)  # in the legend is also what gains nothing
        for method, frontier in found.items():
            if band := frontier.band():
                level_L = [100 * level for level in frontier.levels]
                ways.plot([0, *level_L], [0, *(100 * band.mean_Q)], looks[method][0], color=looks[method][1])
                if method == "grpo":
                    _shade(ways, level_L, band)
        _, seeds, problems = next(iter(endings.values()))[0].change_QSP.shape
        ends.set_title(f"last step: {problems} problems x {MANY} samples, {seeds} seeds, 95 % bands", fontsize=8)
        problems = next(iter(next(iter(found.values())).ways.values()))[0].one_TP.shape[1]
        ways.set_title(f"on the way: {problems} problems, GRPO with its 95 % band", fontsize=8)
        ends.set_xlabel("Pass@1 gained since the base (points)")
        ways.set_xlabel("Pass@1 gained since the base (points)")
        ends.set_ylabel("change of Pass@256 (points)")
        ways.legend(fontsize=6, loc="lower left", ncols=2)


def _ends(axes: Axes, by_rate: Sequence[Ending], colour: str, face: str, front: bool) -> None:
    """Dots with bands; in front: larger ones, connected from the lowest learning rate to the highest."""
    size, order = (6.5, 4) if front else (4.5, 2)
    pairs = [one_and_many(ending.intervals) for ending in by_rate]
    for pair in pairs:
        (x, y), (x_bar, y_bar) = (100 * one.mean for one in pair), (100 * (one.mean - one.low) for one in pair)
        look: dict[str, Any] = {"color": colour, "marker": "o", "markerfacecolor": face, "markersize": size}
        axes.errorbar(x, y, xerr=x_bar, yerr=y_bar, elinewidth=0.6, linewidth=0, zorder=order, **look)
    if front:
        x_N, y_N = (100 * np.array([one.mean for one in means]) for means in zip(*pairs, strict=True))
        axes.plot(x_N, y_N, ":", color=colour, zorder=order)


def frontier_figure(found: Mapping[str, Frontier], path: Path, since: bool = False) -> None:
    """One panel for each method: Pass@256 over Pass@1 with its simultaneous band, in front of GRPO's in grey."""
    panels = [method for method in found if method != "grpo" and (found[method].levels or not since)]
    names = ("Pass@1 gained (points)", "change of Pass@256") if since else AXES
    with _panels(len(panels), path, names) as axes_N:
        for axes, method in zip(axes_N, panels, strict=False):
            if "grpo" in found:
                _curve(axes, found["grpo"], GRPO, "--")
            _curve(axes, found[method], OURS, "-")
            axes.set_title(f"{found[method].label} (GRPO dashed)", fontsize=8)


def ways_figure(done: Sequence[Run], path: Path) -> None:
    """One panel for each method: the path of every learning rate with the choosing seed, from the base (square) on."""
    panels = [method for method in METHODS if any((run.method, run.seed) == (method, CHOOSING) for run in done)]
    rates = sorted({run.rate for run in done})
    with _panels(len(panels), path) as axes_N:
        for axes, method in zip(axes_N, panels, strict=False):
            for run in sorted(run for run in done if run.method == method and run.seed == CHOOSING):
                way = Way.of(read(run))
                colour = RATE_COLOURS[rates.index(run.rate) % len(RATE_COLOURS)]
                axes.plot(*_percent(way), color=colour, marker="o", markersize=2, label=f"{run.rate:g}")
                axes.plot(*_percent(way)[:, :1], color="0.15", marker="s", markersize=4, zorder=3)
            axes.set_title(METHODS[method].label, fontsize=8)
            axes.legend(fontsize=5.5, title="learning rate", title_fontsize=5.5)


def _percent(way: Way) -> FloatArray:
    return 100 * np.array([way.one_T, way.many_TP.mean(axis=1)])


def _curve(axes: Axes, frontier: Frontier, colour: str, line: str) -> None:
    band = frontier.band()
    if band is None:
        axes.text(0.5, 0.5, "not above the base", transform=axes.transAxes, ha="center", fontsize=7, color=colour)
        return
    level_L = [100 * level for level in frontier.levels]
    axes.plot(level_L, 100 * band.mean_Q, color=colour, linestyle=line)
    _shade(axes, level_L, band, colour)


def _shade(axes: Axes, level_L: Sequence[float], band: Band, colour: str = GRPO) -> None:
    low_L, high_L = ([100 * getattr(one, end) for one in band.intervals] for end in ("low", "high"))
    axes.fill_between(level_L, low_L, high_L, color=colour, alpha=0.18, linewidth=0)


@contextmanager
def _panels(count: int, path: Path, names: tuple[str, str] = AXES) -> Iterator[list[Axes]]:
    """Axes for `count` panels, all on one scale, with labels at the outer edges."""
    columns = min(COLUMNS, max(count, 1))
    with canvas(path, columns, max(1, -(-count // columns)), SIZE) as axes_N:
        used = axes_N[:count]
        for axes in used[1:]:
            axes.sharex(used[0])
            axes.sharey(used[0])
        yield used
        for place, axes in enumerate(used):
            if place + columns >= count:
                axes.set_xlabel(names[0])
            if place % columns == 0:
                axes.set_ylabel(names[1])
        for axes in axes_N[count:]:
            axes.set_axis_off()
