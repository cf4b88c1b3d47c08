"""Writes the report from files of samples."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.eval import RunRecord, SplitRecord
from rlvr.report.outside.comparing import Compared, compared
from rlvr.report.outside.files import files_of
from rlvr.report.outside.reading import Policy, Wanted, read_policies
from rlvr.report.page import Note, Output, Section, Table
from rlvr.report.pool import pool
from rlvr.report.runs import RunFolder
from rlvr.report.sections.bands import bands
from rlvr.report.sections.beyond import beyond
from rlvr.report.sections.boundary import boundary
from rlvr.report.sections.claims import claims
from rlvr.report.sections.curves import curves
from rlvr.report.sections.further import further
from rlvr.report.sections.power import power
from rlvr.report.sections.texts import texts
from rlvr.report.sections.transitions import transitions
from rlvr.report.study import Study
from rlvr.report.write import TITLE, decided, leave_slide, show
from rlvr.tables import Grid, Row

SPLIT = "given"  # the name of the set of problems in tables
ABSENT = (
    "Not on this page, since files of samples do not say it: paths along training and with them comparisons at equal "
    "tokens, at equal Pass@1 and against early stopping; training curves; settings and versions; the random guess, "
    "which takes the problems' answers and a verifier; and fresh samples for what is claimed, which take the policies."
)
TRUSTED = (
    "Right and wrong are what the files say; nothing was graded again. Nor do the files say whether all policies were "
    "sampled at the same temperature, with the same prompts and as many tokens, and the comparison needs it."
)
HEADS = ["", "file", "read as", "columns", "problems", "samples", "used", "mean tokens", "-log p, nats a token"]
WHY = "were they sampled with seeds of their own, at a temperature above 0?"
Named = str | Mapping[str, str | list[str]]


def report_samples(samples: Named, wanted: Wanted, output_dir: Path) -> None:
    """Write the report over samples of a base and other policies: `report.html`, `report.md`, CSVs and figures.

    Args:
        samples: Files by name of the policy, or files of all policies with a column that names the policy.
        wanted: How to read them.
        output_dir: Where the report goes.

    Raises:
        ConfigError: When files can't be read or policies can't be compared.
    """
    found = compared(_read(samples, wanted), wanted)
    study, out = study_of(found), Output(output_dir)
    facts, _, told = decided(study)
    leave_slide(study, told, output_dir)
    first = curves(study, out)
    sections = [first, bands(facts, out), boundary(study, out), claims(facts, out), power(facts, out)]
    sections += [make(study, out) for make in (beyond, further, transitions, texts)]
    out.write(TITLE, told, [_policies_line(found), *study.notes], [*sections, what_was_read(found, out)])
    show(first, told, study.notes)
    console.print(f"Report of {len(found)} policies: [bold]{output_dir / 'report.html'}[/]")


def study_of(found: Sequence[Compared]) -> Study:
    """A study that treats each policy as a run from the same base, on one set of problems."""
    base, *others = found
    before, base_table = base.evaluation, base.table()
    runs = [
        RunFolder(
            folder=next(iter(each.policy.files)),
            record=RunRecord(each.policy.label, 0, {SPLIT: SplitRecord(before, each.evaluation)}),
            given={"base": base_table, "trained": each.table()},
        )
        for each in others
    ]
    return Study(runs, {SPLIT: pool(runs, SPLIT)}, _notes(found))


def what_was_read(found: Sequence[Compared], out: Output) -> Section:
    """The section on the files that were read: what each column was taken for, and how many samples a file has.

    The table has one line for each policy, the CSV one row for each file.
    """
    rows: list[Row] = []
    lines: list[list[str]] = []
    for each in found:
        mine = [_file_row(each, index) for index in range(len(each.policy.files))]
        first, total = mine[0], {key: sum(int(str(row[key])) for row in mine) for key in ("samples", "used")}
        more = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
        known = [_known(each.mean_tokens), _known(each.entropy)]
        cells = [each.policy.label, f"{first['file']}{more}", first["read_as"], first["columns"], len(each.samples)]
        lines.append([_cell(cell) for cell in [*cells, *total.values(), *known]])
        rows += [row | dict(zip(("mean_tokens", "nats_a_token"), known, strict=True)) for row in mine]
    csv = out.csv("read", rows)
    return Section("What was read", [Table(Grid("Files", HEADS, lines), csv, wraps=True), Note(TRUSTED)])


def _file_row(each: Compared, index: int) -> Row:
    path, columns = list(each.policy.files.items())[index]
    held, used = (
        sum(one.order[0] == index for those in samples.values() for one in those)
        for samples in (each.policy.samples, each.samples)
    )
    meant = ", ".join(f"{what}: {name}" for what, name in columns.of.items())
    row: Row = {"policy": each.policy.label, "file": str(path), "read_as": columns.format.name, "columns": meant}
    return row | {"problems": len(each.samples), "samples": held, "used": used}


def _read(samples: Named, wanted: Wanted) -> list[Policy]:
    if not isinstance(samples, str):
        paths = {label: files_of(f"samples.{label}", named) for label, named in samples.items()}
        if wanted.base not in paths:
            raise ConfigError(f"base={wanted.base}: samples= names {', '.join(paths)}; name the one to compare with.")
        return [policy for label, files in paths.items() for policy in read_policies(files, wanted, str(label))]
    return read_policies(files_of("samples", samples), wanted, None)


def _notes(found: Sequence[Compared]) -> list[str]:
    notes = []
    held = {each.policy.label: max(map(len, each.policy.samples.values())) for each in found}
    n = found[0].evaluation.n
    if any(count > n for count in held.values()):
        counts = ", ".join(f"{label} {count}" for label, count in held.items())
        notes.append(f"Of every problem the first {n} samples of each policy count; the files hold more ({counts}).")
    notes += [
        f"{label}: {one} and {other} hold the same answers throughout; {WHY}" for label, one, other in _twins(found)
    ]
    if n == 1:
        notes.append("One sample a problem: there is Pass@1 and no boundary to be seen; draw more samples.")
    return [*notes, ABSENT]


def _twins(found: Sequence[Compared]) -> Iterator[tuple[str, Path, Path]]:
    """Pairs of files of one policy that hold the same answers: (policy, first, second)."""
    for each in [one for one in found if len(one.policy.files) > 1]:
        answers: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
        for problem, samples in each.policy.samples.items():
            for one in samples:
                answers[one.order[0]].append((problem, one.text))
        firsts: dict[int, int] = {}
        paths = list(each.policy.files)
        for index, those in answers.items():
            same = firsts.setdefault(hash(tuple(sorted(map(hash, those)))), index)
            if same != index and all(text is not None for _, text in those):
                yield each.policy.label, paths[same], paths[index]


def _policies_line(found: Sequence[Compared]) -> str:
    base, *others = found
    called = "" if base.policy.label == "base" else f" (here base: {base.policy.label})"
    names = ", ".join(each.policy.label for each in others)
    n, problems = base.evaluation.n, len(base.samples)
    return f"Policies: base{called} and {names}; {problems} problems, {n} sample{'s' * (n > 1)} of each."


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: str | int | float | None) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
