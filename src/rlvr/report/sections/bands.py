"""Pass@k of methods minus their base, with bands over all k at once, and the k by which the curves have crossed."""

from collections.abc import Sequence

from rlvr.report.figures import COLUMNS, colours, k_axis
from rlvr.report.findings import Finding
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.study import spelled, suffix
from rlvr.report.tables import shown_ks, with_interval
from rlvr.tables import Grid, Row

TITLE = "Against the base, at every k at once"


def bands(found: dict[str, list[Finding]], out: Output) -> Section:
    """The section with a figure and a table for each set of problems."""
    section = Section(TITLE)
    rows: list[Row] = []
    for split, those in found.items():
        rows += [row for one in those for row in _rows(split, one)]
        section.blocks += [_figure(split, those, out), _grid(split, those)]
    out.csv("bands", rows)
    section.blocks.append(
        Note(
            "The band holds the true differences of all methods of a set at all k in 95 of 100 studies: its intervals "
            "are mean +- c standard deviations of the report's draws, c the 95th percentile of the draws' largest |t| "
            "(sup-t); the deviation counts two problems more, moved up and down by the largest move seen, since draws "
            "vary too little where few problems differ. It assumes that problems, and seeds where there are several, "
            "are independent draws, and 20 problems or more; few seeds widen it as Student's t does. P(k* <= k) is the "
            "share of the draws' curves that have been below their base's at some k up to there: it claims no error "
            "rate, and between two equal policies it is large."
        )
    )
    return section


def _rows(split: str, one: Finding) -> list[Row]:
    values = zip(one.ks, one.band, one.alone, one.crossed_by.tolist(), strict=True)
    return [
        {
            **{"split": split, "method": one.method.label, "k": k, "mean": band.mean, "low": band.low},
            **{"high": band.high, "alone_low": alone.low, "alone_high": alone.high, "crossed_by": share},
        }
        for k, band, alone, share in values
    ]


def _grid(split: str, found: Sequence[Finding]) -> Block:
    ks = shown_ks(found[0].ks[-1])
    lines = []
    for one in found:
        at = {k: index for index, k in enumerate(one.ks)}
        lines.append([f"{one.method.label} - base", *(with_interval(one.band[at[k]], signed=True) for k in ks)])
        lines.append([f"{one.method.label}: P(k* <= k)", *(f"{100 * one.crossed_by[at[k]]:.1f}" for k in ks)])
    title = f"Against the base, {spelled(split)} problems, % [95 % band, all k and methods at once]; * excludes 0"
    return Table(Grid(title, ["", *(f"k={k}" for k in ks)], lines), "csv/bands.csv")


def _figure(split: str, found: Sequence[Finding], out: Output) -> Block:
    name, columns = f"bands{suffix(split)}", min(COLUMNS, len(found))
    shades = colours([one.method for one in found])
    with out.figure(name, columns, -(-len(found) // columns), (3.0, 2.6)) as panels:
        for axes in panels[len(found) :]:
            axes.set_visible(False)
        for axes, one, colour in zip(panels, found, shades, strict=False):
            axes.axhline(0, color="0.4", linewidth=0.8)
            axes.plot(one.ks, [100 * band.mean for band in one.band], color=colour)
            for intervals in (one.band, one.alone):  # the pointwise band lies inside and looks darker
                low, high = ([100 * getattr(each, end) for each in intervals] for end in ("low", "high"))
                axes.fill_between(one.ks, low, high, color=colour, alpha=0.15, linewidth=0)
            k_axis(axes, one.ks)
            axes.set_title(one.method.label, fontsize=8)
            axes.set_ylabel("Pass@k minus base (points)")
    caption = (
        f"Pass@k minus the base's on {spelled(split)} problems; the wider band holds for all k and methods at once, "
        "the darker one inside it at each k by itself."
    )
    return Figure(name, caption, "csv/bands.csv")
