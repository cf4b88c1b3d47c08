"""The runs of a report, pooled on every set of problems that they were evaluated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr.report.pool import Method, pool
from rlvr.report.runs import RunFolder, read_folders

SPLIT_NAMES = {"heldout": "held-out", "train": "training"}


@dataclass(frozen=True)
class Study:
    """What a report is about.

    Attributes:
        runs: Every run, in the order given.
        methods: Runs pooled over seeds, by set of problems.
        notes: What a reader should know before anything else.
    """

    runs: Sequence[RunFolder]
    methods: dict[str, list[Method]]
    notes: Sequence[str]

    @classmethod
    def read(cls, folders: Sequence[Path]) -> "Study":
        """Read and pool runs, multiruns and evaluations.

        Raises:
            ConfigError: When there is nothing finished among them, or they can't be compared, see `pool`.
        """
        notes: list[str] = []
        runs = read_folders(folders, notes.append)
        splits = dict.fromkeys(split for run in runs for split in run.record.splits)
        methods = {split: pool(runs, split, notes.append) for split in splits}
        for lack in dict.fromkeys(lack for run in runs for lack in run.lacks):
            those = [f"{run.label} seed {run.seed}" for run in runs if lack in run.lacks]
            who = "All runs lack" if len(those) == len(runs) else f"{', '.join(those)} lack{'s' * (len(those) == 1)}"
            notes.append(f"{who} {lack}: an older version made them.")
        return cls(runs, methods, list(dict.fromkeys(notes)))

    @property
    def walked(self) -> list[str]:
        """Sets of problems on which runs were evaluated along the way."""
        return [split for split, methods in self.methods.items() if len(methods[0].split(0).path) > 1]


def spelled(split: str) -> str:
    """A set of problems as text says it."""
    return SPLIT_NAMES.get(split, split)


def suffix(split: str) -> str:
    """What tells the figures of a set of problems from those of the held-out one."""
    return "" if split == "heldout" else f"_{split}"
