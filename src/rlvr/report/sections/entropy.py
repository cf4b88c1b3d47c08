"""Shows at which positions of a completion, and in how few tokens, the entropy of policies lies."""

from collections.abc import Iterator

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import ratios
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.cross import EDGES, SPLIT, TOP, Crossed
from rlvr.report.crossed import CrossedStudy, Drawn, Of
from rlvr.report.figures import colours_of, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import share, with_interval
from rlvr.tables import Grid, Row

TITLE = "Entropy where it is"
REACHED = 0.05  # a position is shown if at least this share of completions reaches it
LONG = 64  # the axis of positions is a log scale if it reaches further
MEAN, BRANCHING, SHARE = "entropy", "branching factor", "share of the top tokens"


def entropy(found: CrossedStudy | None, out: Output) -> list[Section]:
    """The section with entropy by position and its share in the top tokens; none without scored samples."""
    if found is None:
        return []
    measured = _measured(found)
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
        f"would have {100 * TOP:.0f} % of it. Intervals are made as the bands against the base are, all tokens of a "
        "problem together: a column's hold for all policies at once, a curve's at all of its positions. Only "
        "completions that are so long count at a position, and these may be of other problems."
    )
    return [Section(TITLE, [_figure(found.policies, out), table, note])]


def _measured(found: CrossedStudy) -> dict[str, dict[str, Interval]]:
    mean = found.parts(_sum, lambda one: one.tokens_PN.sum(axis=1))
    part = found.parts(lambda one: one.top_P, _sum)
    return {
        label: {
            MEAN: one,
            BRANCHING: Interval(*(float(np.exp(value)) for value in (one.mean, one.low, one.high))),
            SHARE: share(part[label]),
        }
        for label, one in mean.items()
        if label in part
    }


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
    caption = "Entropy by position, each policy on its own samples; 95 % bands hold at all positions of a policy."
    return Figure("entropy", caption, out.csv("entropy_positions", rows))


def _by_position(drawn: Drawn) -> Iterator[Row]:
    """One row for each bin of positions (counted from 1), up to the last that enough completions reach."""
    completions = sum(one.tokens_PN.size for one in drawn.seeds)
    counted_BSP, entropy_BSP = (
        np.array([drawn.values(_at(name, index)) for index in range(max(_bins(one) for one in drawn.seeds))])
        for name in ("counted_PB", "entropy_PB")
    )
    tokens_B, wide_B = counted_BSP.sum(axis=(1, 2)), np.diff(EDGES)[: len(counted_BSP)]
    shown = int(np.logical_and.accumulate(tokens_B >= REACHED * completions * wide_B).sum())
    for index, mean in enumerate(ratios(entropy_BSP[:shown], counted_BSP[:shown]) if shown else []):
        first, last = int(EDGES[index]) + 1, int(EDGES[index + 1])
        about: Row = {"split": SPLIT, "policy": drawn.label, "first": first, "last": last}
        about |= {"position": (first + last) / 2, "tokens": int(tokens_B[index])}
        yield about | {"mean": mean.mean, "low": mean.low, "high": mean.high}


def _bins(one: Crossed) -> int:
    return one.counted_PB.shape[1]


def _at(name: str, index: int) -> Of:
    """A function that gives a quantity of each problem in a bin; 0 where no completion is long enough."""

    def of(one: Crossed) -> FloatArray:
        value_PB: FloatArray = getattr(one, name)
        return value_PB[:, index] if index < _bins(one) else np.zeros(len(value_PB))

    return of
