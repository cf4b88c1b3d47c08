"""The boundary ledger: which problems each policy has won and which it has lost, at every evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rlvr.eval import Change, Evaluation, Ledger, ledger
from rlvr.eval.ledger import LEVELS, Kind
from rlvr.report.page import Block, Note, Output, Section, Table
from rlvr.report.pool import Method
from rlvr.report.study import Study, spelled
from rlvr.tables import Grid, Row

COUNTED: tuple[tuple[str, Kind], ...] = (("entries", "entry"), ("losses", "loss"))


def boundary(study: Study, out: Output) -> Section:
    """The section with counts of entries and losses at the last step, and a list of these problems for each run.

    The CSVs have them for every evaluation.
    """
    section = Section("Boundary ledger")
    counts: list[Row] = []
    problems: list[Row] = []
    for split, methods in study.methods.items():
        last: list[Row] = []
        listed: list[Block] = []
        for method in methods:
            for index, run in enumerate(method.runs):
                about: Row = {"split": split, "method": method.label, "seed": run.seed}
                for step, base, now in checkpoints(method, index):
                    found = ledger(base, now)
                    row = {**about, "step": step, **ledger_row(found, len(base.problem_ids))}
                    counts.append(row)
                    problems += [{**about, "step": step, **asdict(change)} for change in found.changes]
                    if step is None:
                        last.append(row)
                        listed.append(_listing(found, f"{run.name}, {spelled(split)} problems"))
        section.blocks += [Table(_counts_grid(last, spelled(split)), "csv/ledger.csv"), *listed]
    out.csv("ledger", counts)
    out.csv("ledger_problems", problems)
    section.blocks.append(
        Note(
            "Entry: the base had no right answer among its K samples and the trained policy has; loss: the other way "
            "round. Beyond noise: the chance C(K, c) / C(2K, c) that all c successes of both fall on that side when "
            "nothing has changed is below 5 % or 1 %. Both CSVs also hold every evaluation along the way."
        )
    )
    return section


def checkpoints(method: Method, index: int) -> Iterator[tuple[int | None, Evaluation, Evaluation]]:
    """(step, base, policy) for a run's evaluations during training, on fewer problems, then at the end (step None)."""
    split = method.split(index)
    for step in sorted(split.path)[1:]:
        yield step, split.path[min(split.path)], split.path[step]
    if split.trained is not None:
        yield None, split.base, split.trained


def ledger_row(found: Ledger, problems: int) -> Row:
    """Counts of entries and losses: all of them, and those beyond noise at each level."""
    row: Row = {"problems": problems, "n": found.n, "base_coverage": found.base_coverage, "coverage": found.coverage}
    for name, kind in COUNTED:
        row[name] = len(found.of(kind))
        row |= {f"{name}_{level:g}": len(found.of(kind, level)) for level in LEVELS}
    return row


def _counts_grid(rows: Sequence[Row], name: str) -> Grid:
    levels = [f"{level:g}" for level in LEVELS]
    head = ["", "seed", "problems", "K", "solved by base", "solved now"]
    lines = [
        [
            *(str(row[key]) for key in ("method", "seed", "problems", "n", "base_coverage", "coverage")),
            *(str(row[f"{kind}{level}"]) for kind, _ in COUNTED for level in ("", *(f"_{level}" for level in levels))),
        ]
        for row in rows
    ]
    beyond = [f"at {100 * level:g} %" for level in LEVELS]
    return Grid(f"Ledger at the last step, {name} problems", [*head, "entries", *beyond, "losses", *beyond], lines)


def _listing(found: Ledger, title: str) -> Block:
    """A folded table of every entry and loss."""
    lines = [_line(change, found.n) for change in found.changes]
    head = ["problem", "", "base", "now", "p"]
    counted = f"entries {len(found.of('entry'))}, losses {len(found.of('loss'))}"
    return Table(Grid(f"{title}: {counted}", head, lines), "csv/ledger_problems.csv", folded=True)


def _line(change: Change, n: int) -> list[str]:
    return [change.problem_id, change.kind, f"{change.base}/{n}", f"{change.now}/{n}", f"{change.p:.2g}"]
