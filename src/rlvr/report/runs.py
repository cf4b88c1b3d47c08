"""Reads for the report the files that a run or an evaluation has written into its folder."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from omegaconf import DictConfig, OmegaConf

from rlvr.errors import ConfigError
from rlvr.eval import Evaluation, Outcome, RunRecord, SplitRecord, sample_file
from rlvr.eval.cross import SPLIT, Crossed, CrossRecord, read_crossed
from rlvr.eval.outcome import FILE_NAME as OUTCOME
from rlvr.eval.record import FILE_NAME as RECORD
from rlvr.names import run_name
from rlvr.report.setting import Start, read_setting

STARTING = ("hydra", "paths", "ckpt_path", "allow_changes", "seed")  # keys of overrides that change no result


@dataclass(frozen=True)
class RunFolder:
    """One training run, or the evaluation of one run's policy on a suite, or samples that were made elsewhere.

    Attributes:
        folder: Folder with its files.
        record: Its results.
        texts: Evaluations by `src/eval.py` as (split, policy, outcome); empty for a training run.
        given: For samples made elsewhere, their table by policy (base or trained), or None without texts. None for
            runs and evaluations.
    """

    folder: Path
    record: RunRecord
    texts: tuple[tuple[str, str, Outcome], ...] = ()
    given: Mapping[str, pa.Table | None] | None = None

    @property
    def label(self) -> str:
        """Name of the method."""
        return self.record.label

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.record.seed

    @property
    def name(self) -> str:
        """Name of the method with the seed; without it for samples made elsewhere."""
        return run_name(self.label, self.seed) if self.given is None else self.label

    @cached_property
    def config(self) -> dict[str, str]:
        """Every key of the composed config with its value as text; empty where there is no config."""
        return _flat(_config(self.folder))

    @cached_property
    def starts(self) -> list[Start]:
        """Versions, device and command of each start."""
        return read_setting(self.folder)

    @cached_property
    def overrides(self) -> dict[str, str]:
        """The overrides of the last start's command, by key, without those that change no result."""
        words = [word.lstrip("+~").partition("=") for word in (self.starts[-1].command[1:] if self.starts else ())]
        return {key: value for key, mark, value in words if mark and not key.startswith(("-", *STARTING))}

    @cached_property
    def metrics(self) -> list[dict[str, float]]:
        """Rows of `metrics.csv`, one for each optimizer step. If a step was repeated, its last row counts."""
        path = self.folder / "metrics.csv"
        if self.texts or not path.is_file():
            return []
        steps = {row["step"]: row for row in read_metrics(path) if "train/lr" in row}
        return [steps[step] for step in sorted(steps)]

    @cached_property
    def interference(self) -> list[dict[str, float]]:
        """Rows of `metrics.csv` that `callbacks=interference` has written."""
        path = self.folder / "metrics.csv"
        return [] if self.texts or not path.is_file() else measured(read_metrics(path))

    @cached_property
    def generated(self) -> dict[int, float]:
        """Completion tokens sampled for training, by optimizer step; without greedy ones if these were not recorded."""
        if self.record.generated or not self.metrics:
            return {0: 0.0, **self.record.generated} if self.record.generated else {}
        per_rollout = int(self.config.get("batch.minibatches_per_rollout", 1))
        total, found = 0.0, {0: 0.0}
        for row in self.metrics:
            total += row.get("rollout/tokens", 0.0) / per_rollout
            found[int(row["step"])] = total
        return found if len(self.metrics) == max(found) else {}

    @cached_property
    def cross(self) -> CrossRecord | None:
        """KL to the base during training; None where it was not measured."""
        return None if self.texts or self.given is not None else CrossRecord.read(self.folder)

    @cached_property
    def crossed(self) -> dict[str, Crossed] | None:
        """Samples of base and trained policy, each scored under both policies; None where there are none."""
        path = sample_file(self.folder, SPLIT, "cross")
        return read_crossed(path) if self.cross is not None and path.is_file() else None

    @property
    def lacks(self) -> list[str]:
        """What the report can't show of this run, because the run did not record it."""
        lacking = []
        if not self.texts and not self.record.generated:
            lacking.append("the tokens of greedy answers (equal tokens are without them)")
        if not self.starts:
            lacking.append("versions, device and commands (setting.json)")
        if not self.texts and not self.metrics:
            lacking.append("training curves (metrics.csv)")
        return lacking


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Every row of a `metrics.csv`, without empty cells. Names of older versions become the present ones."""
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    return [_by_present_names(row) for row in rows]


def _by_present_names(row: dict[str, float]) -> dict[str, float]:
    """Replace names of older versions, which called the accuracy `rollout/reward` and logged no mean of rewards."""
    older = {} if "rollout/accuracy" in row else {"rollout/reward": "rollout/accuracy"}
    older["filter/kept"] = "filter/selected"
    return {older.get(name, name): value for name, value in row.items()}


def measured(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """The rows with interference, reduced to these columns and the step."""
    names = {name for row in rows for name in row if name.startswith("interference/")} | {"step"}
    found = [{name: value for name, value in row.items() if name in names} for row in rows]
    return [row for row in found if len(row) > 1]


def read_folders(folders: Sequence[Path], warn: Callable[[str], None]) -> list[RunFolder]:
    """The finished runs and the evaluations among `folders`. The folder of a multirun stands for its jobs.

    Args:
        folders: Folders of runs, multiruns and evaluations.
        warn: Called with a message for each run that is not finished.

    Raises:
        ConfigError: When a folder holds neither runs nor evaluations, or nothing is finished.
    """
    runs: list[RunFolder] = []
    outcomes: list[Path] = []
    for folder in folders:
        records, evaluations = _below(folder, RECORD), _below(folder, OUTCOME)
        if not records and not evaluations:
            raise ConfigError(
                f"runs: {folder} holds no {RECORD} and no {OUTCOME}: name folders of runs that were evaluated."
            )
        runs += [RunFolder(run, RunRecord.read(run)) for run in records]
        outcomes += evaluations
    finished = [run for run in runs if all(split.trained for split in run.record.splits.values())]
    for run in runs:
        if run not in finished:
            warn(f"{run.label} with seed {run.seed} is left out: it is not finished.")
    read = finished + _suites(outcomes)
    if not read:
        raise ConfigError("runs: none of these runs is finished: name folders under logs/runs or logs/multiruns.")
    return read


def _below(folder: Path, name: str) -> list[Path]:
    if (folder / name).is_file():
        return [folder]
    return sorted((path.parent for path in folder.glob(f"*/{name}")), key=_in_order_of_numbers)


def _in_order_of_numbers(path: Path) -> list[tuple[int, str]]:
    """A sort key by which job 10 of a multirun comes after job 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _suites(folders: Sequence[Path]) -> list[RunFolder]:
    """The evaluations of runs' policies by `src/eval.py`, each with the evaluation of the base on the same suite.

    Raises:
        ConfigError: When a suite does not have exactly one policy that no run has trained, which is the base.
    """
    outcomes = [(folder, Outcome.read(folder), _trained_by(folder)) for folder in folders]
    found = []
    for suite in dict.fromkeys(outcome.suite for _, outcome, _ in outcomes):
        bases = [outcome for _, outcome, run in outcomes if outcome.suite == suite and run is None]
        if len(bases) != 1:
            raise ConfigError(
                f"runs: the evaluations on {suite} need one of a policy that no run has trained, the base that the "
                f"others are compared with, and there are {len(bases)}."
            )
        for folder, outcome, run in outcomes:
            if outcome.suite != suite or run is None:
                continue
            split = SplitRecord(bases[0].evaluation, _in_order(outcome.evaluation, bases[0].evaluation))
            texts = ((suite, "base", bases[0]), (suite, "trained", outcome))
            found.append(RunFolder(folder, replace(run, splits={suite: split}, generated={}), texts))
    return found


def _trained_by(folder: Path) -> RunRecord | None:
    """The record of the run whose policy was evaluated; None for a policy that no run has trained."""
    name = OmegaConf.select(_config(folder), "model.name")
    run = Path(str(name)).parent
    return RunRecord.read(run) if name and (run / RECORD).is_file() else None


def _in_order(evaluation: Evaluation, base: Evaluation) -> Evaluation:
    correct = dict(zip(evaluation.problem_ids, evaluation.correct, strict=True))
    if set(correct) != set(base.problem_ids) or evaluation.n != base.n:
        raise ConfigError("runs: evaluations on one suite must be of the same problems with the same eval.n.")
    return replace(evaluation, problem_ids=base.problem_ids, correct=tuple(correct[id_] for id_ in base.problem_ids))


def _config(folder: Path) -> DictConfig:
    path = folder / "config.yaml"
    loaded = OmegaConf.load(path) if path.is_file() else OmegaConf.create()
    assert isinstance(loaded, DictConfig)
    return loaded


def _flat(config: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(config, DictConfig):
        return {prefix: str(config)}
    flat: dict[str, str] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}.{key!s}" if prefix else str(key))
    return flat
