"""Writes the tables and figures of one run, or of several side by side."""

from pathlib import Path

from rlvr.console import console
from rlvr.eval import RunRecord
from rlvr.report.figures import pass_at_k_figure, path_figure
from rlvr.report.pool import Method, pool, read_runs
from rlvr.report.tables import Grid, joint_table, run_table

SPLIT_NAMES = {"heldout": "held-out", "train": "training"}


def report_run(run_dir: Path) -> None:
    """Table and figures of a finished run, printed and left in its folder."""
    record = RunRecord.read(run_dir)
    grids = [run_table(record.label, SPLIT_NAMES[name], split) for name, split in record.splits.items()]
    _show(grids, run_dir / "pass_at_k.md")
    _figures(run_dir, {name: pool([record], name) for name in record.splits})
    console.print(f"Everything of this run: [bold]{run_dir}[/]")


def report_together(folders: list[Path], output_dir: Path) -> None:
    """One table and one figure over several runs, paired by problem and seed.

    Raises:
        ConfigError: When they can't be compared, see `pool`.
    """
    records = read_runs(folders)
    methods = {name: pool(records, name) for name in records[0].splits}
    grids = [joint_table(methods[name], SPLIT_NAMES[name]) for name in methods]
    _show(grids, output_dir / "joint.md")
    _figures(output_dir, methods)
    console.print(f"Joint table and figures of {len(records)} runs: [bold]{output_dir}[/]")


def _show(grids: list[Grid], path: Path) -> None:
    for grid in grids:
        console.print()
        console.print(grid.rich())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(grid.markdown() for grid in grids))


def _figures(folder: Path, methods: dict[str, list[Method]]) -> None:
    figures = folder / "figures"
    pass_at_k_figure(methods["heldout"], figures / "pass_at_k.png", SPLIT_NAMES["heldout"])
    path_figure(methods["heldout"], figures / "path.png", SPLIT_NAMES["heldout"])
    if "train" in methods:
        pass_at_k_figure(methods["train"], figures / "pass_at_k_train.png", SPLIT_NAMES["train"])
