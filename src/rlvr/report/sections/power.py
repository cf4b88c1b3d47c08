"""Shows which effects the study would have missed, given its numbers of problems and samples."""

from rlvr.eval.power import POWER, WANTED, problems_for
from rlvr.report.findings import Finding
from rlvr.report.page import Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import shown_ks
from rlvr.tables import Grid, Row

TITLE = "What this design could not have seen"


def power(found: dict[str, list[Finding]], out: Output) -> Section:
    """The section with the differences of Pass@k that the study can find, and the losses that it could not claim."""
    section = Section(TITLE)
    rows: list[Row] = []
    for split, those in found.items():
        mine = [row for one in those for row in _rows(split, one)]
        hidden = [row for one in those for row in _unseen_rows(split, one)]
        rows += [*mine, *hidden]
        problems = those[0].problems
        ks = shown_ks(those[0].ks[-1])
        lines = [
            [label, *(_cell(row) for row in mine if row["method"] == label and row["k"] in ks)]
            for label in dict.fromkeys(str(row["method"]) for row in mine)
        ]
        title = f"Points that {problems} {spelled(split)} problems show; problems for {100 * WANTED:.0f} points"
        section.blocks.append(Table(Grid(title, ["", *(f"k={k}" for k in ks)], lines), "csv/power.csv"))
        columns = ("method", "seed", "least", "solved", "unseen")
        unseen = [[str(row[name]) for name in columns] for row in hidden]
        head = ["", "seed", "right answers needed", "solved by base", "of these too seldom"]
        title = f"Losses that could not have been claimed, {spelled(split)} problems"
        section.blocks.append(Table(Grid(title, head, unseen), "csv/power.csv"))
    out.csv("power", rows)
    section.blocks.append(
        Note(
            f"A difference is found in {100 * POWER:.0f} of 100 studies when it is (c + .84) standard deviations "
            "large, c that of the simultaneous band; deviations fall with the square root of the number of problems. "
            "It assumes that a study with such a difference varies as this one does, or as one in which problems are "
            "lost and nothing else changes, whichever takes more; and that problems are all that varies: with several "
            "seeds it takes more. A lost problem has no right answer any more, so the base's "
            "count alone decides whether the loss is claimed; problems that the base could have solved and did not in "
            "n samples come on top."
        )
    )
    return section


def _rows(split: str, one: Finding) -> list[Row]:
    return [
        {
            **{"split": split, "method": one.method.label, "k": k, "problems": one.problems, "difference": seen},
            "problems_needed": problems_for(one.problems, seen),
        }
        for k, seen in zip(one.ks, one.seen.tolist(), strict=True)
    ]


def _unseen_rows(split: str, one: Finding) -> list[Row]:
    counted = zip(one.method.seeds, one.unseen.least, one.unseen.solved, one.unseen.weak, strict=True)
    about: Row = {"split": split, "method": one.method.label, "problems": one.problems}
    return [{**about, "seed": seed, "least": few, "solved": had, "unseen": weak} for seed, few, had, weak in counted]


def _cell(row: Row) -> str:
    return f"{100 * float(str(row['difference'])):.1f}; {int(str(row['problems_needed'])):,}"
