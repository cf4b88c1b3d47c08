"""Where in a completion policies are unsure."""

from collections.abc import Iterator

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.cross import EDGES, SPLIT, TOP, Crossed
from rlvr.report.crossed import CrossedStudy, Drawn, Of
from rlvr.report.figures import colours_of, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import with_interval
from rlvr.tables import Grid, Row

TITLE = "Entropy where it is"
REACHED = 0.05  # share of completions that are so long, for a position to be shown
LONG = 64  # positions, from which on they are on a log scale
MEAN, BRANCHING, SHARE = "entropy", "branching factor", "share of the top tokens"


def entropy(found: CrossedStudy | None, out: Output) -> list[Section]:
    """By position, and in how few tokens it lies; none where no run has scored its samples."""
    if found is None:
        return []
    policies = [found.base, *found.trained]
    measured = {one.label: _measured(one) for one in policies}
    rows: list[Row] = [
        {"split": SPLIT, "policy": label, "measure": name, "mean": one.mean, "low": one.low, "high": one.high}
        for label, values in measured.items()
        for name, one in values.items()
    ]
    lines = [
        [label, _cell(values[MEAN]), _cell(values[BRANCHING]), with_interval(values[SHARE])]
        for label, values in measured.items()
    ]
    head = ["", "entropy, nats a token", "branching factor", f"in the top {100 * TOP:.0f} % of tokens, %"]
    title = f"Entropy on {found.problems} {spelled(SPLIT)} problems [95 % interval]"
    table = Table(Grid(title, head, lines), out.csv("entropy", rows))
    note = Note(
        "Each policy on its own samples, the whole distribution at the evaluations' temperature. The branching factor "
        "is e to the mean entropy: between so many equally likely tokens a policy that is as unsure would choose. The "
        f"top {100 * TOP:.0f} % are those tokens of each completion whose entropy is largest; were all alike, they "
        f"would have {100 * TOP:.0f} % of it. Intervals resample problems and seeds, all tokens of a problem together. "
        "Only completions that are so long count at a position, and these may be of other problems."
    )
    return [Section(TITLE, [_figure(policies, out), table, note])]


def _measured(drawn: Drawn) -> dict[str, Interval]:
    mean = drawn.ratio(_sum, lambda one: one.tokens_PN.sum(axis=1))
    share = drawn.ratio(lambda one: one.top_P, _sum)
    nothing = Interval(0.0, 0.0, 0.0)
    mean, share = mean or nothing, share or nothing
    branching = Interval(*(float(np.exp(value)) for value in (mean.mean, mean.low, mean.high)))
    return {MEAN: mean, BRANCHING: branching, SHARE: share}


def _sum(one: Crossed) -> FloatArray:
    return np.asarray(one.entropy_PB.sum(axis=1))


def _cell(one: Interval) -> str:
    return f"{one.mean:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _figure(policies: list[Drawn], out: Output) -> Block:
    rows: list[Row] = []
    shades = ["0.15", *colours_of([one.label for one in policies[1:]])]
    with out.figure("entropy") as (axes,):
        for drawn, colour in zip(policies, shades, strict=True):
            mine = list(_by_position(drawn))
            rows += mine
            x, mean, low, high = (
                [float(str(row[name])) for row in mine] for name in ("position", "mean", "low", "high")
            )
            axes.plot(x, mean, "--" if drawn.label == "base" else "-", color=colour, label=drawn.label)
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        if max(float(str(row["position"])) for row in rows) > LONG:
            axes.set_xscale("log")
        axes.set_xlabel("position in the completion, tokens")
        axes.set_ylabel("entropy (nats)")
        axes.set_ylim(bottom=0)
        legend_beside(axes)
    caption = "Entropy by position, each policy on its own samples; bands are pointwise 95 % intervals."
    return Figure("entropy", caption, out.csv("entropy_positions", rows))


def _by_position(drawn: Drawn) -> Iterator[Row]:
    """A row a bin of positions, counted from 1, as far as enough completions reach."""
    completions = sum(one.tokens_PN.size for one in drawn.seeds)
    for index in range(max(one.counted_PB.shape[1] for one in drawn.seeds)):
        first, end = int(EDGES[index]), int(EDGES[index + 1])
        tokens = int(sum(_at("counted_PB", index)(one).sum() for one in drawn.seeds))
        if tokens < REACHED * completions * (end - first):
            return
        mean = drawn.ratio(_at("entropy_PB", index), _at("counted_PB", index))
        if mean is None:
            return
        about: Row = {"split": SPLIT, "policy": drawn.label, "first": first + 1, "last": end, "tokens": tokens}
        yield about | {"position": (first + 1 + end) / 2, "mean": mean.mean, "low": mean.low, "high": mean.high}


def _at(name: str, index: int) -> Of:
    """A quantity of each problem in a bin; 0 where no completion is so long."""

    def of(one: Crossed) -> FloatArray:
        value_PB: FloatArray = getattr(one, name)
        return value_PB[:, index] if index < value_PB.shape[1] else np.zeros(len(value_PB))

    return of
