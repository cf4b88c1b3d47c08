"""Reads the runs of a report, and pools them for every set of problems on which they were evaluated."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from rlvr.report.pool import Method, pool
from rlvr.report.runs import RunFolder, read_folders

SPLIT_NAMES = {"heldout": "held-out", "train": "training"}


@dataclass(frozen=True)
class Study:
    """The runs that a report compares.

    Attributes:
        runs: Every run, in the order given.
        methods: Runs pooled over seeds, by set of problems.
        notes: Warnings for the reader, at the start of the report.
    """

    runs: Sequence[RunFolder]
    methods: dict[str, list[Method]]
    notes: Sequence[str]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> "Study":
        """Read and pool runs, multiruns and evaluations.

        Raises:
            ConfigError: When none of them is finished, or they can't be compared, see `pool`.
        """
        notes: list[str] = []
        runs = told_apart(read_folders(folders, notes.append))
        splits = dict.fromkeys(split for run in runs for split in run.record.splits)
        methods = {split: pool(runs, split, notes.append) for split in splits}
        for lack in dict.fromkeys(lack for run in runs for lack in run.lacks):
            those = [f"{run.label} seed {run.seed}" for run in runs if lack in run.lacks]
            who = "All runs lack" if len(those) == len(runs) else f"{', '.join(those)} lack{'s' * (len(those) == 1)}"
            notes.append(f"{who} {lack}: an older version made them.")
        return cls(runs, methods, list(dict.fromkeys(notes)))

    @property
    def walked(self) -> list[str]:
        """Sets of problems on which runs were evaluated during training."""
        return [split for split, methods in self.methods.items() if len(methods[0].split(0).path) > 1]


def told_apart(runs: Sequence[RunFolder]) -> list[RunFolder]:
    """The runs, with the overrides that differ added to the labels of runs of the same method, seed and problems.

    A search for hyperparameters makes such runs.
    """

    def place(run: RunFolder) -> tuple[str, int, tuple[str, ...]]:
        return run.label, run.seed, tuple(run.record.splits)

    differing: dict[str, dict[str, None]] = {}  # by method, so that its seeds keep one name
    for (label, *_), twins in groupby(sorted(runs, key=place), key=place):
        given = [run.overrides for run in twins]
        keys = dict.fromkeys(key for overrides in given for key in overrides)
        differ = [key for key in keys if len({overrides.get(key) for overrides in given}) > 1]
        differing.setdefault(label, {}).update(dict.fromkeys(differ))
    named = []
    for run in runs:
        short = _short(list(differing[run.label]))
        own = [f"{name}={run.overrides[key]}" for key, name in short.items() if key in run.overrides]
        named.append(replace(run, record=replace(run.record, label=", ".join([run.label, *own]))))
    return named


def _short(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or all of it where two have the same."""
    last = Counter(key.rpartition(".")[2] for key in keys)
    return {key: tail if last[tail := key.rpartition(".")[2]] == 1 else key for key in keys}


def spelled(split: str) -> str:
    """The name of a set of problems in text."""
    return SPLIT_NAMES.get(split, split)


def suffix(split: str) -> str:
    """The end of figures' names for a set of problems; empty for the held-out set."""
    return "" if split == "heldout" else f"_{split}"
