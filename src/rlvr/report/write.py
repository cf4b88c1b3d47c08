"""Writes the tables and figures of one run, and the report over several."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from rlvr.console import console
from rlvr.eval import RunRecord
from rlvr.report.answer import answers
from rlvr.report.crossed import crossed_study
from rlvr.report.figures import pass_at_k_figure, path_figure
from rlvr.report.findings import Finding, findings
from rlvr.report.keeping import Ahead, ahead
from rlvr.report.page import Answer, Output, Section, Table
from rlvr.report.pool import pool
from rlvr.report.runs import RunFolder
from rlvr.report.sections.bands import bands
from rlvr.report.sections.beyond import beyond
from rlvr.report.sections.boundary import boundary
from rlvr.report.sections.claims import claims
from rlvr.report.sections.cross import cross
from rlvr.report.sections.curves import curves, plane
from rlvr.report.sections.entropy import entropy
from rlvr.report.sections.fair import fair
from rlvr.report.sections.further import further
from rlvr.report.sections.interference import interference
from rlvr.report.sections.keeping import keeps
from rlvr.report.sections.learned import learned
from rlvr.report.sections.power import power
from rlvr.report.sections.setting import setting
from rlvr.report.sections.texts import texts
from rlvr.report.sections.training import training
from rlvr.report.sections.transitions import transitions
from rlvr.report.slide import draw_slide
from rlvr.report.study import SPLIT_NAMES, Study, spelled, suffix
from rlvr.report.tables import run_table
from rlvr.tables import Grid

TITLE = "Reasoning boundary before and after training"


def report_run(run_dir: Path) -> None:
    """Print the tables of a finished run, and write them and its figures to its folder."""
    run = RunFolder(run_dir, RunRecord.read(run_dir))
    splits = run.record.splits
    _show([run_table(run.label, SPLIT_NAMES[name], split) for name, split in splits.items()], run_dir / "pass_at_k.md")
    for name in splits:
        methods, figures = pool([run], name), run_dir / "figures"
        pass_at_k_figure(methods, figures / f"pass_at_k{suffix(name)}.png", SPLIT_NAMES[name])
        path_figure(methods, figures / f"path{suffix(name)}.png", SPLIT_NAMES[name])
    console.print(f"Everything of this run: [bold]{run_dir}[/]")


def report_together(folders: list[Path], output_dir: Path) -> None:
    """Write the report over several runs, paired by problem and seed: `report.html`, `report.md`, CSVs and figures.

    Raises:
        ConfigError: When they can't be compared, see `pool`.
    """
    study, out = Study.read(folders), Output(output_dir)
    facts, kept, told = decided(study)
    leave_slide(study, told, output_dir)
    found = curves(study, out)
    walked = [plane(study, out), fair(study, out)] if study.walked else []
    near = crossed_study(study)
    sections = [*walked[:1], found, bands(facts, out), *walked[1:], *keeps(kept, out), *cross(near, out)]
    sections.append(boundary(study, out))
    sections += [make(facts, out) for make in (claims, power)]
    sections += [*(make(study, out) for make in (beyond, further, transitions)), *entropy(near, out)]
    sections.append(training(study, out))
    sections += [*learned(study, out), *interference(study, out), texts(study, out), setting(study, out)]
    out.write(TITLE, told, [_runs_line(study), *study.notes], sections)
    show(found, told, study.notes)
    console.print(f"Report of {len(study.runs)} runs: [bold]{output_dir / 'report.html'}[/]")


def decided(study: Study) -> tuple[dict[str, list[Finding]], dict[str, Ahead], list[Answer]]:
    """The findings and the comparisons at equal Pass@1 and equal KL by set of problems, and the answers from them."""
    facts = findings(study)
    kept = {split: ahead(study, split) for split in facts}
    return facts, kept, answers(facts, kept)


def leave_slide(study: Study, told: Sequence[Answer], output_dir: Path) -> None:
    """Write `answer.png` and `answer.pdf`, a page for a talk with the answer on the first set of problems."""
    split = next((split for split in study.methods if split != "train"), next(iter(study.methods)))
    draw_slide(told[0], study.methods[split], spelled(split), output_dir / "answer.png")


def show(section: Section, told: Sequence[Answer], notes: Sequence[str]) -> None:
    """Print a section's tables, the answers and the notes on the terminal."""
    for block in section.blocks:
        if isinstance(block, Table):
            console.print()
            console.print(block.grid.rich())
    for one in told:
        console.print(f"\n[bold]{escape(one.title)}[/]")
        for place, sentence in enumerate(one.sentences, start=1):
            console.print(f"{place}. {escape(sentence.text)}")
    for note in notes:
        console.print(f"[yellow]Note:[/] {escape(note)}")


def _runs_line(study: Study) -> str:
    counted = Counter(run.label for run in study.runs if not run.texts)
    runs = ", ".join(f"{label} ({count} seed{'s' * (count > 1)})" for label, count in counted.items())
    evaluations = sum(bool(run.texts) for run in study.runs)
    more = f"{evaluations} evaluations of their policies on suites" if evaluations else ""
    return f"Runs: {'; '.join(part for part in (runs, more) if part)}."


def _show(grids: list[Grid], path: Path) -> None:
    for grid in grids:
        console.print()
        console.print(grid.rich())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(grid.markdown() for grid in grids))
