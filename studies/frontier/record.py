"""Keeps a run's counts in the repository, a few kilobytes; `restore` makes folders for the report from them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlvr.eval import RunRecord
from rlvr.files import write_whole
from rlvr.report.runs import measured, read_metrics
from studies.frontier.setting import METHODS, RECORDS, Run, Study

PROBLEMS = "problems.json"  # their names, which all records share
CURVES = ("rollout/entropy", "rollout/accuracy", "filter/gated_share", "train/grad_norm")
EVERY = 50  # steps over which each curve is averaged


def keep(run: Run, folder: Path) -> None:
    """Write the record of a finished run, and the problems where there are none yet."""
    document = asdict(RunRecord.read(folder))
    del document["splits"]["train"]  # too few of them to say anything
    heldout = document["splits"]["heldout"]
    names = list(heldout["base"]["problem_ids"])
    _agree(RECORDS / run.task, names, heldout.pop("guess_rate"))
    for evaluation in _evaluations(heldout):
        evaluation["problem_ids"] = _prefix(names, evaluation["problem_ids"])
    document["generated"] = {step: int(tokens) for step, tokens in document["generated"].items() if step % EVERY == 0}
    start = json.loads((folder / "setting.json").read_text())[-1]
    document["start"] = {"overrides": run.overrides, **{key: start[key] for key in ("commit", "versions", "device")}}
    rows = read_metrics(folder / "metrics.csv")
    document["curves"] = means([row for row in rows if "train/lr" in row], CURVES)
    interference = measured(rows)
    document["interference"] = means(interference, sorted({name for row in interference for name in row} - {"step"}))
    write_whole(_path(run), json.dumps(document, separators=(",", ":"), default=list) + "\n")


def read(run: Run) -> RunRecord:
    """A kept record, in the form that the report uses."""
    document = json.loads(_path(run).read_text())
    problems = json.loads((RECORDS / run.task / PROBLEMS).read_text())
    for split in document["splits"].values():
        split["guess_rate"] = problems["guess_rate"]
        for evaluation in _evaluations(split):
            evaluation["problem_ids"] = problems["names"][: evaluation["problem_ids"]]
    record = RunRecord.from_json(document)
    record.label = METHODS[run.method].label
    return record


def curves(run: Run) -> dict[str, list[float]]:
    """Means over every 50 steps of a few metrics."""
    found: dict[str, list[float]] = json.loads(_path(run).read_text())["curves"]
    return found


def interference(run: Run) -> dict[str, list[float]]:
    """Means over every 50 updates of the columns `interference/`; empty where it was not measured."""
    found: dict[str, list[float]] = json.loads(_path(run).read_text()).get("interference", {})
    return found


def kept(study: Study) -> list[Run]:
    """Runs whose records are there."""
    found = []
    for path in sorted((RECORDS / study.task).glob("*_lr*_seed*.json")):
        method, _, rest = path.stem.rpartition("_lr")
        rate, _, seed = rest.partition("_seed")
        found.append(Run(method, float(rate), int(seed), study.task))
    return sorted(found)


def restore(runs: Iterable[Run], folder: Path) -> list[Path]:
    """Folders of runs that `src/report.py` reads, made from their records."""
    made = []
    for run in runs:
        place = folder / run.name
        place.mkdir(parents=True, exist_ok=True)
        read(run).write(place)
        made.append(place)
    return made


def means(rows: Sequence[Mapping[str, float]], names: Sequence[str], every: int = EVERY) -> dict[str, list[float]]:
    """Means of the columns that are there over every so many rows; a column that a part lacks altogether is 0 there."""
    parts = [rows[first : first + every] for first in range(0, len(rows), every)]
    there = [name for name in names if any(name in row for row in rows)]
    return {name: [_mean([row[name] for row in part if name in row]) for part in parts] for name in there}


def _evaluations(split: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (split["base"], split["trained"], *split["path"].values())


def _prefix(names: list[str], some: Iterable[str]) -> int:
    """The number of first problems that an evaluation was of."""
    some = list(some)
    assert some == names[: len(some)], "an evaluation along the way is not of the first held-out problems"
    return len(some)


def _path(run: Run) -> Path:
    return RECORDS / run.task / f"{run.name}.json"


def _agree(folder: Path, names: list[str], guess_rate: list[float]) -> None:
    path = folder / PROBLEMS
    rounded = [round(rate, 8) for rate in guess_rate]
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"names": names, "guess_rate": rounded}, separators=(",", ":")) + "\n")
    assert json.loads(path.read_text())["names"] == names, "this run was evaluated on other problems"


def _mean(values: Sequence[float]) -> float:
    return float(f"{sum(values) / len(values):.5g}") if values else 0.0
