"""Extrapolates Pass@k to more samples than were drawn."""

from rlvr.eval.estimators import IntArray
from rlvr.eval.extrapolation import FARTHEST, held_out, predictions
from rlvr.report.page import Note, Output, Section, Table
from rlvr.report.sections.beyond import counts_of
from rlvr.report.study import Study, spelled
from rlvr.tables import Grid, Row

TITLE = "More samples than were drawn"


def further(study: Study, out: Output) -> Section:
    """The section with Pass@k at 2n and 4n from three families of success rates, and a test of them.

    The test predicts Pass@n from a quarter of the samples.
    """
    section = Section(TITLE)
    rows: list[Row] = []
    for split, methods in study.methods.items():
        lines = []
        for label, (n, right_SP) in counts_of(methods).items():
            if n < FARTHEST:
                continue
            mine = _rows(split, label, n, right_SP)
            rows += mine
            by_k = {int(str(row["k"])): row for row in mine}
            lines.append([label, *(_range(by_k[k]) for k in (n, 2 * n, FARTHEST * n)), f"{_seen(n, right_SP):.1f}"])
        if lines:
            n = methods[0].n
            head = ["", f"k={n}, from {n // FARTHEST} samples", f"k={2 * n}", f"k={FARTHEST * n}", f"k={n}, seen"]
            title = f"Pass@k by three families of success rates, {spelled(split)} problems, %, lowest to highest"
            section.blocks.append(Table(Grid(title, head, lines), "csv/further.csv"))
    out.csv("further", rows)
    section.blocks.append(
        Note(
            "Success rates are taken to be Beta distributed, or that beside problems that are never solved, or a "
            "mixture of any rates. All three fit the samples, and these can't tell a problem that is never solved "
            "from one that is solved far less often than once in n: so the range between them is what can be said. It "
            "is no confidence interval, and where rates are of another kind all three may be on one side of the truth. "
            "The first column is the same from a quarter of the samples, whose truth is the last."
        )
    )
    return section


def _rows(split: str, label: str, n: int, right_SP: IntArray) -> list[Row]:
    found = predictions(n, right_SP)
    by_k = {n: held_out(n, right_SP)}
    by_k |= {k: {name: at(k) for name, at in found.items()} for k in (2 * n, FARTHEST * n)}
    about: Row = {"split": split, "policy": label}
    return [{**about, "k": k, "from": n // FARTHEST if k == n else n, **of} for k, of in by_k.items()]


def _range(row: Row) -> str:
    values = [100 * value for value in row.values() if isinstance(value, float)]
    return f"{min(values):.1f} to {max(values):.1f}"


def _seen(n: int, right_SP: IntArray) -> float:
    return float(100 * (right_SP > 0).mean())
