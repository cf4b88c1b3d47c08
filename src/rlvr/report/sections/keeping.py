"""Compares every two methods at equal Pass@1 and at equal KL, with intervals that hold for all pairs at once."""

from collections.abc import Mapping

from rlvr.report.keeping import Ahead, Keeping
from rlvr.report.page import Block, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import with_interval
from rlvr.tables import Grid, Row

TITLE = "Which method keeps most"


def keeps(ahead: Mapping[str, Ahead], out: Output) -> list[Section]:
    """The section, if methods can be compared at equal Pass@1 or equal KL, else none."""
    rows: list[Row] = []
    blocks: list[Block] = []
    near = [one.at_kl for one in ahead.values() if one.at_kl]
    for split, found in ahead.items():
        for kept in (found.at_gain, found.at_kl):
            if kept is not None:
                rows += _rows(split, kept)
                blocks.append(Table(_grid(split, kept), "csv/keeping.csv"))
    if not blocks:
        return []
    out.csv("keeping", rows)
    unknown = "Equal KL is not measured: that takes eval.cross=true in every run. " * (not near)
    blocks.append(
        Note(
            "Read off the paths as the tables at equal Pass@1 and equal KL are, with their assumptions. The band "
            "(sup-t) holds for all pairs of a table at once, so that the best may be chosen after the fact; it keeps "
            f"the places that are compared. {unknown}"
        )
    )
    return [Section(TITLE, blocks)]


def _rows(split: str, kept: Keeping) -> list[Row]:
    about: Row = {"split": split, "at": "pass@1" if kept.kl is None else "kl", "kl": kept.kl, "k": kept.k}
    return [
        {**about, "policy": better, "minus": other, "mean": one.mean, "low": one.low, "high": one.high}
        for (better, other), one in kept.minus.items()
    ]


def _grid(split: str, kept: Keeping) -> Grid:
    where = "the Pass@1 that all reach" if kept.kl is None else f"the KL that all reach, {kept.kl:.2g} nats a sequence"
    title = f"At {where}, {kept.problems} {spelled(split)} problems, % [95 % band]; * excludes 0"
    lines = [[f"{better} - {other}", with_interval(one, signed=True)] for (better, other), one in kept.minus.items()]
    return Grid(title, ["", f"k={kept.k}"], lines)
