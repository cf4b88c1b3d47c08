"""Shows the course of training from the `metrics.csv` of every run."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps

from rlvr.eval.bootstrap import FloatArray
from rlvr.names import run_name
from rlvr.report.figures import COLUMNS, colours, draw_runs, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.pool import Method
from rlvr.report.runs import RunFolder
from rlvr.report.study import Study
from rlvr.tables import Grid, Row

CURVES = {
    "rollout/accuracy": "accuracy (share right)",
    "rollout/entropy": "entropy (nats a token)",
    "filter/gated_share": "gated or dropped (share)",
    "rollout/completion_length": "completion length (tokens)",
    "mismatch/mean": "engine against trainer (nats)",
}
PHASES = ("greedy", "sample", "verify", "assemble", "score", "forward", "backward", "optimizer")
WINDOWS = 40  # a curve is a rolling mean over 1/40 of the steps


def training(study: Study, out: Output) -> Section:
    """The section with training curves, the shares of problems by right answers m, and the seconds of each phase."""
    methods = next(iter(study.methods.values()))
    runs = [run for run in study.runs if run.metrics]
    if not runs:
        return Section("Training", [Note("No run has a metrics.csv.")])
    rows: list[Row] = [{"method": run.label, "seed": run.seed, **row} for run in runs for row in run.metrics]
    csv = out.csv("training", rows)
    labels = {run.label for run in runs}
    shown = [method for method in methods if method.label in labels]
    blocks = [_curves(shown, csv, out), _buckets(shown, csv, out), _timings(runs, out)]
    return Section("Training", blocks)


def smooth(value_T: FloatArray) -> FloatArray:
    """Rolling mean that ends at each step, over 1/`WINDOWS` of all steps and at least one."""
    width = max(1, len(value_T) // WINDOWS)
    total_T = np.concatenate([[0.0], np.cumsum(value_T)])
    stop_T = np.arange(1, len(value_T) + 1)
    start_T = np.maximum(stop_T - width, 0)
    return np.asarray((total_T[stop_T] - total_T[start_T]) / (stop_T - start_T))


def _curves(methods: Sequence[Method], csv: str, out: Output) -> Block:
    runs = [run for method in methods for run in method.runs]
    names = [name for name in CURVES if any(name in row for run in runs for row in run.metrics)]
    columns = 2 if len(names) == 4 else min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    with out.figure("training", columns, lines, (3.0, 2.4)) as panels:
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(panels, names, strict=False):
            for method, colour in zip(methods, colours(methods), strict=True):
                series = [_series(run, name) for run in method.runs if any(name in row for row in run.metrics)]
                if series:
                    smoothed = [np.array([step_T, smooth(value_T)]) for step_T, value_T in series]
                    draw_runs(axes, smoothed, colour, method.label, linewidth=1.2)
            axes.set_xlabel("optimizer step")
            axes.set_ylabel(CURVES[name], fontsize=8)
        legend_beside(panels[0], fontsize=7)
    caption = "Rolling means; a faint line is a run. SELF's accuracy is that on the problems that it samples."
    return Figure("training", caption, csv)


def _buckets(methods: Sequence[Method], csv: str, out: Output) -> Block:
    columns = min(COLUMNS, len(methods))
    lines = -(-len(methods) // columns)
    with out.figure("buckets", columns, lines, (3.0, 2.3)) as panels:
        for axes in panels[len(methods) :]:
            axes.set_visible(False)
        for axes, method in zip(panels, methods, strict=False):
            names = _bucket_names(method.runs)
            found = [[_series(run, name) for name in names] for run in method.runs if run.metrics]
            steps = min(len(step_T) for series in found for step_T, _ in series)
            share_MT = np.mean([[smooth(value_T)[:steps] for _, value_T in series] for series in found], axis=0)
            shades = ["0.25", *colormaps["viridis"](np.linspace(0.1, 1, len(names) - 1))]
            axes.stackplot(found[0][0][0][:steps], share_MT, labels=[f"m={name[7:]}" for name in names], colors=shades)
            axes.set_title(method.label, fontsize=8)
            axes.set_ylim(0, 1)
            axes.margins(x=0)
            axes.set_xlabel("optimizer step")
            axes.set_ylabel("share of problems", fontsize=8)
        legend_beside(panels[0], reverse=True, fontsize=7)
    caption = "Sampled problems by m, the number of right answers in their group; mean over seeds of rolling means."
    return Figure("buckets", caption, csv)


def _timings(runs: Sequence[RunFolder], out: Output) -> Block:
    """A table of mean seconds of a step. The first step is left out, since its rollout comes before it."""
    rows: list[Row] = []
    for run in runs:
        row: Row = {"method": run.label, "seed": run.seed, "steps": len(run.metrics)}
        for phase in (*PHASES, "step"):
            seconds = [found.get(f"time/{phase}", 0.0) for found in run.metrics[1:]]
            row[phase] = float(np.mean(seconds)) if seconds else None
        rows.append(row)
    csv = out.csv("timings", rows)
    used = [phase for phase in (*PHASES, "step") if any(row[phase] for row in rows)]
    lines = [[run_name(str(row["method"]), row["seed"]), *(_seconds(row[phase]) for phase in used)] for row in rows]
    return Table(Grid("Mean seconds of a step by phase, the first step left out", ["", *used], lines), csv)


def _series(run: RunFolder, name: str) -> tuple[FloatArray, FloatArray]:
    rows = [(row["step"], row[name]) for row in run.metrics if name in row]
    step_T, value_T = np.array(rows, dtype=float).reshape(-1, 2).T
    return step_T, value_T


def _bucket_names(runs: Sequence[RunFolder]) -> list[str]:
    names = {name for run in runs for row in run.metrics for name in row if name.startswith("bucket/")}
    return sorted(names, key=lambda name: int(name.partition("/")[2]))


def _seconds(value: str | int | float | None) -> str:
    return "" if value is None else f"{float(value):.3f}"
