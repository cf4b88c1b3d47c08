"""Keeps a run's counts in the repository, a few kilobytes; `restore` makes folders for the report from them."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlvr.eval import RunRecord
from rlvr.files import write_whole
from rlvr.report.runs import read_metrics
from studies.frontier.setting import METHODS, RECORDS, Run

PROBLEMS = "problems.json"  # their names, which all records share
CURVES = ("rollout/entropy", "rollout/accuracy", "filter/gated_share", "train/grad_norm")
EVERY = 50  # steps over which each curve is averaged


def keep(run: Run, folder: Path) -> None:
    """Write the record of a finished run, and the problems where there are none yet."""
    document = asdict(RunRecord.read(folder))
    del document["splits"]["train"]  # too few of them to say anything
    heldout = document["splits"]["heldout"]
    names = list(heldout["base"]["problem_ids"])
    _agree(names, heldout.pop("guess_rate"))
    for evaluation in _evaluations(heldout):
        evaluation["problem_ids"] = _prefix(names, evaluation["problem_ids"])
    document["generated"] = {step: int(tokens) for step, tokens in document["generated"].items() if step % EVERY == 0}
    start = json.loads((folder / "setting.json").read_text())[-1]
    document["start"] = {"overrides": run.overrides, **{key: start[key] for key in ("commit", "versions", "device")}}
    document["curves"] = _curves(folder / "metrics.csv")
    write_whole(RECORDS / f"{run.name}.json", json.dumps(document, separators=(",", ":"), default=list) + "\n")


def read(run: Run) -> RunRecord:
    """A kept record, in the form that the report uses."""
    document = json.loads((RECORDS / f"{run.name}.json").read_text())
    problems = json.loads((RECORDS / PROBLEMS).read_text())
    for split in document["splits"].values():
        split["guess_rate"] = problems["guess_rate"]
        for evaluation in _evaluations(split):
            evaluation["problem_ids"] = problems["names"][: evaluation["problem_ids"]]
    record = RunRecord.from_json(document)
    record.label = METHODS[run.method].label
    return record


def curves(run: Run) -> dict[str, list[float]]:
    """Means over every 50 steps of a few metrics."""
    found: dict[str, list[float]] = json.loads((RECORDS / f"{run.name}.json").read_text())["curves"]
    return found


def kept() -> list[Run]:
    """Runs whose records are there."""
    found = []
    for path in sorted(RECORDS.glob("*_lr*_seed*.json")):
        method, _, rest = path.stem.rpartition("_lr")
        rate, _, seed = rest.partition("_seed")
        found.append(Run(method, float(rate), int(seed)))
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


def _evaluations(split: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (split["base"], split["trained"], *split["path"].values())


def _prefix(names: list[str], some: Iterable[str]) -> int:
    """The number of first problems that an evaluation was of."""
    some = list(some)
    assert some == names[: len(some)], "an evaluation along the way is not of the first held-out problems"
    return len(some)


def _agree(names: list[str], guess_rate: list[float]) -> None:
    path = RECORDS / PROBLEMS
    rounded = [round(rate, 8) for rate in guess_rate]
    if not path.exists():
        RECORDS.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"names": names, "guess_rate": rounded}, separators=(",", ":")) + "\n")
    assert json.loads(path.read_text())["names"] == names, "this run was evaluated on other problems"


def _curves(path: Path) -> dict[str, list[float]]:
    rows = [row for row in read_metrics(path) if "train/lr" in row]
    parts = [rows[first : first + EVERY] for first in range(0, len(rows), EVERY)]
    there = [name for name in CURVES if name in rows[0]]
    return {name: [round(sum(row.get(name, 0.0) for row in part) / len(part), 5) for part in parts] for name in there}
