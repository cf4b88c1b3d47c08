"""Shows the settings of the runs: configs, versions, devices and commands."""

import shlex
from collections.abc import Mapping, Sequence

from rlvr.report.page import Block, Note, Output, Section, Table
from rlvr.report.runs import RunFolder
from rlvr.report.study import Study
from rlvr.tables import Grid, Row

# Keys with these prefixes are left out: they hold paths and names of files and do not describe the training.
LOCAL = ("paths.", "callbacks.", "logger.", "hydra.", "trainer.default_root_dir")


def setting(study: Study, out: Output) -> Section:
    """The section with the settings in which runs differ, then those that all share."""
    runs = study.runs
    about = [_about(run) for run in runs]
    rows: list[Row] = [
        {"run": run.name, "key": key, "value": value}
        for run, found in zip(runs, about, strict=True)
        for key, value in found.items()
    ]
    csv = out.csv("setting", rows)
    keys = list(dict.fromkeys(key for found in about for key in found))
    differ = [key for key in keys if len({found.get(key) for found in about}) > 1]
    same = [[key, about[0][key]] for key in keys if key not in differ]
    blocks: list[Block] = []
    if columns := [key for key in differ if key != "command"]:
        blocks.append(Table(_differences(columns, runs, about), csv, wraps=True))
    if "command" in differ:  # each is longer than a column
        lines = [[run.name, found.get("command", "")] for run, found in zip(runs, about, strict=True)]
        blocks.append(Table(Grid("Commands", ["", "command"], lines), csv, folded=True, wraps=True))
    blocks.append(Table(Grid("The same in all runs", ["", "value"], same), csv, folded=True, wraps=True))
    if not any(run.config for run in runs):
        blocks.append(Note("No run has a config.yaml."))
    return Section("Setting", blocks)


def _differences(keys: Sequence[str], runs: Sequence[RunFolder], about: Sequence[Mapping[str, str]]) -> Grid:
    """One column for each method, with every value that its runs have."""
    values: dict[str, dict[str, list[str]]] = {run.label: {key: [] for key in keys} for run in runs}
    for run, found in zip(runs, about, strict=True):
        for key in keys:
            values[run.label][key].append(found.get(key, ""))
    lines = [[key, *("; ".join(dict.fromkeys(found[key])) for found in values.values())] for key in keys]
    return Grid("Where the runs differ", ["", *values], lines)


def _about(run: RunFolder) -> dict[str, str]:
    """Command, versions and config of a run, by key."""
    about: dict[str, str] = {}
    if run.starts:
        last = run.starts[-1]
        about = {"device": last.device, "commit": last.commit or "unknown", "python": last.python}
        about |= {f"version of {package}": found for package, found in last.versions.items()}
        about["command"] = commands([start.command for start in run.starts])
    return about | {key: value for key, value in run.config.items() if not key.startswith(LOCAL)}


def commands(starts: Sequence[Sequence[str]]) -> str:
    """The commands of all starts as text. A run that was resumed has several."""
    return "; ".join(shlex.join(command) for command in starts)
