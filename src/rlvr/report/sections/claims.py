"""Shows which entries and losses are claimed after correction for many tests, and which ones fresh samples confirm."""

from collections.abc import Iterator

from rlvr.eval.claims import KINDS, Claims
from rlvr.eval.confirmation import Confirmation, Judged
from rlvr.eval.ledger import Change, Kind
from rlvr.report.findings import Finding
from rlvr.report.page import Block, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.tables import Grid, Row

TITLE = "Claims and their confirmation"
SAID = {"loss": "lost", "entry": "won"}
HEAD = ["", "seed", "problems", "n", "lost", "surely", "won", "surely", "fresh n"]
NOTE = (
    "Claimed: an entry or a loss of the ledger that Fisher's exact test and the procedure of Benjamini and Hochberg "
    "over all problems leave, so that on average at most one in twenty did not rise or fall; surely: so many of them "
    "did, with 95 % confidence (Holm). A claim says that the rate moved, not yet that the problem is out of reach. "
    "Confirmed: in fresh samples one policy is shown to solve the problem at a rate of 1/n or more, n the evaluation's "
    "samples, and the other below it, by exact binomial tests at a false discovery rate of 5 %; refuted: the contrary "
    "is shown; open: neither. Both assume that samples are independent, and say nothing of problems that were not "
    "claimed. src/confirm.py draws the fresh samples."
)
TEMPERED = ["", "seed", "confirmed losses", "temperature", "solved by the trained policy", "not solved by the base"]
TEMPERED_NOTE = (
    "Solved: at a rate of 1/n or more in fresh samples, as many as at the evaluation's temperature. A loss that comes "
    "back where sampling is warmer was a matter of sharpness. One that the base has, too, where it samples cooler, is "
    "what sharpening alone would have cost."
)


def claims(found: dict[str, list[Finding]], out: Output) -> Section:
    """The section with the counts of claims for every seed, then a list of the claimed problems."""
    section = Section(TITLE)
    counts: list[Row] = []
    problems: list[Row] = []
    tempered: list[Row] = []
    for split, those in found.items():
        lines: list[list[str]] = []
        listed: list[Block] = []
        for one in those:
            for seed, made, fresh in zip(one.method.seeds, one.claims, one.confirmations, strict=True):
                about: Row = {"split": split, "method": one.method.label, "seed": seed}
                row = count_row(made, fresh)
                mine = list(_problems(made, fresh))
                counts.append(about | row)
                problems += [about | each for each in mine]
                lines.append(
                    [one.method.label, str(seed), *("" if cell is None else str(cell) for cell in row.values())]
                )
                if mine:
                    title = f"Claims of {one.method.label}, seed {seed}, {spelled(split)} problems"
                    listed.append(Table(_listing(title, mine), "csv/claims.csv", folded=True))
        head = [*HEAD, *(f"{verdict} {SAID[kind]}" for verdict, kind in _VERDICTS)]
        grid = Grid(f"Claims at the last step, {spelled(split)} problems", head, lines)
        section.blocks.append(Table(grid, "csv/claim_counts.csv"))
        if rows := [row for one in those for row in tempered_rows(one)]:
            tempered += [{"split": split, **row} for row in rows]
            title = f"Confirmed losses at other temperatures, {spelled(split)} problems"
            cells = [[str(cell) for cell in row.values()] for row in rows]
            section.blocks += [Table(Grid(title, TEMPERED, cells), "csv/claims_tempered.csv"), Note(TEMPERED_NOTE)]
        section.blocks += listed
    out.csv("claim_counts", counts)
    out.csv("claims", problems)
    if tempered:
        out.csv("claims_tempered", tempered)
    section.blocks.append(Note(NOTE))
    return section


def tempered_rows(one: Finding) -> Iterator[Row]:
    """What becomes of confirmed losses at other temperatures, by run; none where this was not drawn."""
    drawn = zip(one.method.seeds, one.confirmations, strict=True)
    for seed, fresh in ((seed, fresh) for seed, fresh in drawn if fresh is not None):
        for tempered in fresh.tempered:
            yield {
                **{"method": one.method.label, "seed": seed, "confirmed_losses": len(tempered.drawn)},
                **{"temperature": tempered.temperature, "back": fresh.back(tempered), "gone": fresh.gone(tempered)},
            }


_VERDICTS: list[tuple[str, Kind]] = [(verdict, kind) for verdict in ("confirmed", "refuted", "open") for kind in KINDS]


def count_row(made: Claims, fresh: Confirmation | None) -> Row:
    """Counts of one run's claims, and of the verdicts on them; verdicts are None where no fresh samples were drawn."""
    row: Row = {"problems": made.problems, "n": made.n}
    for kind in KINDS:
        row |= {SAID[kind]: len(made.of(kind)), f"{SAID[kind]}_surely": made.surely(kind)}
    row["fresh_n"] = fresh.samples if fresh else None
    judged = fresh.judged() if fresh else []
    for verdict, kind in _VERDICTS:
        those = [one for one in judged if one.verdict == verdict and one.fresh.kind == kind]
        row[f"{verdict}_{SAID[kind]}"] = len(those) if fresh else None
    return row


def _problems(made: Claims, fresh: Confirmation | None) -> Iterator[Row]:
    judged = {(one.fresh.problem_id, one.fresh.kind): one for one in (fresh.judged() if fresh else [])}
    adjusted = {change: value for change, value in made.found}
    for kind in KINDS:
        for change in made.of(kind):
            row: Row = {"problem_id": change.problem_id, "claim": SAID[kind], "n": made.n}
            row |= {"base": change.base, "now": change.now, "p": change.p, "adjusted_p": adjusted[change]}
            yield row | _fresh_row(change, judged.get((change.problem_id, kind)), fresh)


def _fresh_row(change: Change, judged: Judged | None, fresh: Confirmation | None) -> Row:
    if judged is None or fresh is None:
        return {"fresh_n": None, "fresh_base": None, "fresh_now": None, "fresh_p": None, "verdict": None}
    counts: Row = {"fresh_n": fresh.samples, "fresh_base": judged.fresh.base, "fresh_now": judged.fresh.now}
    return counts | {"fresh_p": judged.p, "verdict": judged.verdict}


def _listing(title: str, rows: list[Row]) -> Grid:
    lines = [
        [
            *(str(row["problem_id"]), str(row["claim"]), f"{row['base']}/{row['n']}", f"{row['now']}/{row['n']}"),
            f"{float(str(row['adjusted_p'])):.2g}",
            *(f"{row[side]}/{row['fresh_n']}" if row["verdict"] else "" for side in ("fresh_base", "fresh_now")),
            str(row["verdict"] or "not drawn again"),
        ]
        for row in rows
    ]
    return Grid(title, ["problem", "claim", "base", "now", "adjusted p", "fresh base", "fresh now", ""], lines)
