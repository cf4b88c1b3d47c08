"""Runs of one method pooled over seeds, compared on the same problems."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlvr.errors import ConfigError
from rlvr.eval import Interval, RunRecord, SplitRecord, bootstrap_mean
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.record import FILE_NAME


@dataclass(frozen=True)
class Method:
    """One method's runs, one a seed, on one split."""

    label: str
    split_name: str
    runs: tuple[RunRecord, ...]

    def split(self, index: int) -> SplitRecord:
        """The results of one run."""
        return self.runs[index].splits[self.split_name]

    @property
    def n(self) -> int:
        """Samples a problem."""
        return self.split(0).base.n

    def base_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's base on each problem."""
        return np.stack([run.splits[self.split_name].base.by_problem(k) for run in self.runs])

    def trained_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's trained policy on each problem."""
        evaluations = [run.splits[self.split_name].trained for run in self.runs]
        return np.stack([evaluation.by_problem(k) for evaluation in evaluations if evaluation])

    def base(self, k: int) -> Interval:
        """Pass@k of the base."""
        return bootstrap_mean(self.base_SP(k))

    def trained(self, k: int) -> Interval:
        """Pass@k of the trained policy."""
        return bootstrap_mean(self.trained_SP(k))

    def minus_base(self, k: int) -> Interval:
        """Trained minus base, paired by problem and seed."""
        return bootstrap_mean(self.trained_SP(k) - self.base_SP(k))

    def minus(self, other: "Method", k: int) -> Interval:
        """This method minus another, paired by problem and seed."""
        return bootstrap_mean(self.trained_SP(k) - other.trained_SP(k))


def read_runs(folders: Sequence[Path]) -> list[RunRecord]:
    """The finished runs among `folders`; a multirun's folder stands for its runs.

    Raises:
        ConfigError: When a folder holds no evaluated run, or none of them is finished.
    """
    records = [RunRecord.read(run) for folder in folders for run in _runs_in(folder)]
    finished = [record for record in records if all(split.trained for split in record.splits.values())]
    if not finished:
        raise ConfigError("runs: none of these runs is finished: name folders under logs/runs or logs/multiruns.")
    return finished


def _runs_in(folder: Path) -> list[Path]:
    if (folder / FILE_NAME).is_file():
        return [folder]
    runs = sorted(record.parent for record in folder.glob(f"*/{FILE_NAME}"))
    if not runs:
        raise ConfigError(f"runs: {folder} holds no {FILE_NAME}: name the folders of runs that were evaluated.")
    return runs


def pool(records: Sequence[RunRecord], split_name: str) -> list[Method]:
    """One `Method` a label, seeds in order, all on the same problems and seeds.

    Raises:
        ConfigError: When runs differ in problems, samples or seeds and so cannot be paired.
    """
    labels = list(dict.fromkeys(record.label for record in records))
    methods = []
    for label in labels:
        runs = sorted((record for record in records if record.label == label), key=lambda record: record.seed)
        methods.append(Method(label, split_name, tuple(runs)))
    seeds = [run.seed for run in methods[0].runs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"runs: {labels[0]} appears twice with seed {seeds[0]}: give one run a method and seed.")
    for method in methods:
        if [run.seed for run in method.runs] != seeds:
            raise ConfigError(
                f"runs: {method.label} has other seeds than {labels[0]}: only runs of equal seeds compare."
            )
        if any(_asked(run, split_name) != _asked(records[0], split_name) for run in method.runs):
            raise ConfigError(
                f"runs: {method.label} was evaluated on other problems or with another n than {labels[0]}."
            )
    return methods


def _asked(record: RunRecord, split_name: str) -> tuple[int, tuple[str, ...]]:
    base = record.splits[split_name].base
    return base.n, base.problem_ids
