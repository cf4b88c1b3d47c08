"""Figures of the frontier study: methods against GRPO and since the base, and every run of the choosing seed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from rlvr.eval.bootstrap import FloatArray
from rlvr.report.figures import canvas
from studies.frontier.frontier import Frontier, Way
from studies.frontier.record import read
from studies.frontier.setting import CHOOSING, METHODS, Run

COLUMNS = 4
SIZE = (2.3, 1.9)  # of a panel, inches
WIDE = (5.2, 3.6)  # the one panel of all methods
OURS, GRPO = "#0072B2", "0.45"
RATE_COLOURS = ("#E69F00", "#009E73", "#0072B2", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#8C6D31")


def frontier_figure(found: Mapping[str, Frontier], path: Path) -> None:
    """One panel for each method: Pass@256 over Pass@1 with its simultaneous band, in front of GRPO's in grey."""
    panels = [method for method in found if method != "grpo"]
    with _panels(len(panels), path) as axes_N:
        for axes, method in zip(axes_N, panels, strict=False):
            if "grpo" in found:
                _curve(axes, found["grpo"], GRPO, "--")
            _curve(axes, found[method], OURS, "-")
            axes.set_title(f"{found[method].label} (GRPO dashed)", fontsize=8)


def since_figure(found: Mapping[str, Frontier], path: Path) -> None:
    """All methods that gain in one panel, in changes since the base, with their simultaneous bands."""
    with canvas(path, 1, 1, WIDE) as (axes,):
        looks = product(("-", "--"), (GRPO, *RATE_COLOURS))  # GRPO is the first of the methods
        for frontier in found.values():
            band = frontier.band()
            if band is None:
                continue
            line, colour = next(looks)
            level_L = [100 * level for level in frontier.levels]
            axes.plot([0, *level_L], [0, *(100 * band.mean_Q)], line, color=colour, label=frontier.label)
            low_L, high_L = ([100 * getattr(one, end) for one in band.intervals] for end in ("low", "high"))
            axes.fill_between(level_L, low_L, high_L, color=colour, alpha=0.12, linewidth=0)
        axes.set_xlabel("Pass@1 gained since the base (points)")
        axes.set_ylabel("change of Pass@256 (points)")
        axes.legend(fontsize=6)


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
    low_L, high_L = ([100 * getattr(one, end) for one in band.intervals] for end in ("low", "high"))
    axes.plot(level_L, 100 * band.mean_Q, color=colour, linestyle=line)
    axes.fill_between(level_L, low_L, high_L, color=colour, alpha=0.18, linewidth=0)


@contextmanager
def _panels(count: int, path: Path) -> Iterator[list[Axes]]:
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
                axes.set_xlabel("Pass@1 (%)")
            if place % columns == 0:
                axes.set_ylabel("Pass@256 (%)")
        for axes in axes_N[count:]:
            axes.set_axis_off()
