"""Shows which problems runs learned from, by the base's success rate, and what f(p) of their methods predicts."""

from functools import reduce

import numpy as np
from matplotlib.axes import Axes

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.difficulty import BIN_NAMES
from rlvr.report.figures import COLUMNS, colours, legend_beside
from rlvr.report.learned import learned_from
from rlvr.report.page import Figure, Output, Section
from rlvr.report.study import Study
from rlvr.tables import Row

TITLE = "What was learned from"
SHORT = {"up to ": "≤", "above ": ">", " to ": "-", " %": ""}
TICKS = [reduce(lambda name, pair: name.replace(*pair), SHORT.items(), name) for name in BIN_NAMES]
CAPTION = (
    "Bars: share of all |advantage x weight| of the run that fell on problems of this success rate under the base; a "
    "bar a bin, mean over seeds. Circles: the same, had the policy kept solving every problem as often as the base "
    "(f(p)'s advantages for the same completions). Dashes: share of the completions. Only training problems that the "
    "base was evaluated on count."
)


def learned(study: Study, out: Output) -> list[Section]:
    """The section, if a run has kept its samples, else none."""
    found = {run.name: learned_from(run) for run in study.runs}
    rows: list[Row] = [{"method": run.label, "seed": run.seed, **row} for run in study.runs for row in found[run.name]]
    methods = [one for one in study.methods.get("train", []) if any(found[run.name] for run in one.runs)]
    if not methods:
        return []
    csv = out.csv("learned", rows)
    columns = min(COLUMNS, len(methods))
    with out.figure("learned", columns, -(-len(methods) // columns), (3.0, 2.6)) as panels:
        for axes in panels[len(methods) :]:
            axes.set_visible(False)
        for axes, method, colour in zip(panels, methods, colours(methods), strict=False):
            axes.set_title(method.label, fontsize=8)
            _draw(axes, [found[run.name] for run in method.runs if found[run.name]], colour)
        legend_beside(panels[0], fontsize=7)
    return [Section(TITLE, [Figure("learned", CAPTION, csv)])]


def _draw(axes: Axes, runs: list[list[Row]], colour: str) -> None:
    bins = np.arange(len(BIN_NAMES))
    axes.bar(bins, _mean(runs, "size_share"), color=colour, alpha=0.75, width=0.7, label="in the run")
    if all("predicted_share" in run[0] for run in runs):
        (circles,) = axes.plot(bins, _mean(runs, "predicted_share"), "o", color="0.15", label="predicted at the base")
        circles.set_markerfacecolor("none")
    axes.hlines(_mean(runs, "completions_share"), bins - 0.35, bins + 0.35, color="0.45", label="completions")
    axes.set_xticks(bins, TICKS, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("right answers of the base (%)")
    axes.set_ylabel("share", fontsize=8)


def _mean(runs: list[list[Row]], column: str) -> FloatArray:
    return np.mean([[float(str(row[column])) for row in run] for run in runs], axis=0)
