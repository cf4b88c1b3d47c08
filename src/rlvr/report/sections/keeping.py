"""Every two methods at equal Pass@1, with intervals that hold for all pairs at once."""

from collections.abc import Mapping

from rlvr.report.keeping import Keeping
from rlvr.report.page import Block, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import with_interval
from rlvr.tables import Grid, Row

TITLE = "Which method keeps most"


def keeps(ahead: Mapping[str, Keeping], out: Output) -> list[Section]:
    """A section where methods can be compared at equal Pass@1, else none."""
    rows: list[Row] = []
    blocks: list[Block] = []
    for split, found in ahead.items():
        for (better, other), one in found.minus.items():
            about: Row = {"split": split, "k": found.k, "policy": better, "minus": other}
            rows.append(about | {"mean": one.mean, "low": one.low, "high": one.high})
        lines = [
            [f"{better} - {other}", with_interval(one, signed=True)] for (better, other), one in found.minus.items()
        ]
        title = f"At the Pass@1 that all reach, {found.problems} {spelled(split)} problems, % [95 % band]; * excludes 0"
        blocks.append(Table(Grid(title, ["", f"k={found.k}"], lines), "csv/keeping.csv"))
    if not blocks:
        return []
    out.csv("keeping", rows)
    blocks.append(
        Note(
            "Read off the paths as the table at equal Pass@1 is, with its assumptions. The band (sup-t) holds for all "
            "pairs at once, so that the best may be chosen after the fact; it keeps the places that are compared. "
            "Equal KL is not measured."
        )
    )
    return [Section(TITLE, blocks)]
