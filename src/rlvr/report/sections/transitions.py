"""Shows how the success rate of each problem changed, and which problems are solved by difficulty for the base."""

from math import nan

import numpy as np
from matplotlib.axes import Axes

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.difficulty import EDGES
from rlvr.report.figures import COLUMNS, colours, legend_beside, rate_axes
from rlvr.report.page import Block, Figure, Output, Section
from rlvr.report.pool import Method
from rlvr.report.study import Study, spelled, suffix
from rlvr.tables import Row

# The bins of difficulty, named by their largest success rate of the base. The lowest bin is split in three, since it
# contains the problems that the base never solved.
CLASS_EDGES = (0.0, 1 / 64, *EDGES, 1.0)
CLASSES = ("0", "to 1/64", "to 1/16", "to 1/4", "to 1/2", "to 1")

ALWAYS = 0.9


def transitions(study: Study, out: Output) -> Section:
    """The section with a dot for each problem and seed, and shares by class of difficulty."""
    dots: list[Row] = []
    corners: list[Row] = []
    classes: list[Row] = []
    blocks: list[Block] = []
    for split, methods in study.methods.items():
        dots += [row for method in methods for row in _dots(split, method)]
        corners += [corner(split, method) for method in methods]
        found = [row for method in methods for row in by_difficulty(split, method)]
        classes += found
        blocks += [_scatter(split, methods, out), _shares(split, methods, found, out)]
    out.csv("transition", dots)
    out.csv("corners", corners)
    out.csv("difficulty", classes)
    return Section("Transitions", blocks)


def rates(method: Method) -> tuple[FloatArray, FloatArray]:
    """Success rates of base and trained policy on each problem, with the seeds one after another."""
    pairs = method.pairs()
    base, now = (np.concatenate([np.array(pair[side].correct) for pair in pairs]) / method.n for side in (0, 1))
    return base, now


def corner(split: str, method: Method) -> Row:
    """Shares of problems that the trained policy never solves and almost always solves."""
    _, now = rates(method)
    never, always = float((now == 0).mean()), float((now > ALWAYS).mean())
    return {"split": split, "method": method.label, "at_0": never, f"above_{ALWAYS}": always}


def by_difficulty(split: str, method: Method) -> list[Row]:
    """For each class: problems, share that the trained policy solves at least once, and mean success rates."""
    base, now = rates(method)
    rows: list[Row] = []
    for index, name in enumerate(CLASSES):
        inside = base == 0 if index == 0 else (base > CLASS_EDGES[index - 1]) & (base <= CLASS_EDGES[index])
        row: Row = {"split": split, "method": method.label, "base_rate": name, "problems": int(inside.sum())}
        row["solved"] = float((now[inside] > 0).mean()) if inside.any() else None
        row["base_pass@1"] = float(base[inside].mean()) if inside.any() else None
        row["pass@1"] = float(now[inside].mean()) if inside.any() else None
        rows.append(row)
    return rows


def _dots(split: str, method: Method) -> list[Row]:
    rows: list[Row] = []
    for run, (base, now) in zip(method.runs, method.pairs(), strict=True):
        about: Row = {"split": split, "method": method.label, "seed": run.seed, "n": method.n}
        counted = zip(base.problem_ids, base.correct, now.correct, strict=True)
        rows += [{**about, "problem_id": problem, "base": b, "trained": t} for problem, b, t in counted]
    return rows


def _scatter(split: str, methods: list[Method], out: Output) -> Block:
    name = f"transition{suffix(split)}"
    columns = min(COLUMNS, len(methods))
    lines = -(-len(methods) // columns)
    with out.figure(name, columns, lines, (3.0, 2.9)) as panels:
        for axes in panels[len(methods) :]:
            axes.set_visible(False)
        for axes, method, colour in zip(panels, methods, colours(methods), strict=False):
            base, now = rates(method)
            axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
            axes.scatter(base, now, s=7, color=colour, alpha=0.35, linewidths=0)
            never, always = list(corner(split, method).values())[2:]
            shares = f"{100 * float(never or 0):.0f} % at 0, {100 * float(always or 0):.0f} % above {ALWAYS}"
            axes.set_title(f"{method.label}: {shares}", fontsize=8)
            rate_axes(axes, "base success rate", "trained success rate")
    seeds = len(methods[0].runs)
    caption = (
        f"Success rate of each {spelled(split)} problem before and after, a dot a problem{' and seed' * (seeds > 1)}. "
        "Winner-take-all shows as two corners: problems at 0 and problems at 1."
    )
    return Figure(name, caption, "csv/transition.csv")


def _shares(split: str, methods: list[Method], rows: list[Row], out: Output) -> Block:
    name = f"difficulty{suffix(split)}"
    with out.figure(name, 2, 1, (3.8, 2.9)) as (solved, once):
        for method, colour in zip(methods, colours(methods), strict=True):
            mine = [row for row in rows if row["method"] == method.label]
            for axes, key in ((solved, "solved"), (once, "pass@1")):
                _line(axes, [row[key] for row in mine], colour, method.label)
        _line(once, [row["base_pass@1"] for row in rows[: len(CLASSES)]], "0.15", "base", "--")
        counts = [str(row["problems"]) for row in rows[: len(CLASSES)]]
        for axes, label in ((solved, "solved at least once (%)"), (once, "success rate (%)")):
            ticks = [f"{cls}\n{count}" for cls, count in zip(CLASSES, counts, strict=True)]
            axes.set_xticks(range(len(CLASSES)), ticks, fontsize=7)
            axes.set_xlabel("base success rate; problems")
            axes.set_ylabel(label)
            axes.set_ylim(-3, 103)
        legend_beside(once, fontsize=7)
    caption = (
        f"{spelled(split).capitalize()} problems by how often the base solves them: share that the trained policy "
        f"solves at least once in {methods[0].n} samples, and its mean success rate."
    )
    return Figure(name, caption, "csv/difficulty.csv")


def _line(axes: Axes, shares: list[str | int | float | None], colour: str, label: str, line: str = "-") -> None:
    values = [nan if share is None else 100 * float(share) for share in shares]
    axes.plot(range(len(values)), values, line, color=colour, marker="o", markersize=3, label=label)
