"""Pools the runs of each method over seeds, for comparisons on the same problems."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr.errors import ConfigError
from rlvr.eval import Crossing, Evaluation, Interval, SplitRecord, bootstrap_crossing, bootstrap_mean, powers_of_two
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.runs import RunFolder


@dataclass(frozen=True)
class Method:
    """The runs of one method on one set of problems, one run for each seed."""

    label: str
    split_name: str
    runs: tuple[RunFolder, ...]

    def split(self, index: int) -> SplitRecord:
        """The results of one run."""
        return self.runs[index].record.splits[self.split_name]

    @property
    def n(self) -> int:
        """Samples of each problem."""
        return self.split(0).base.n

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs."""
        return [run.seed for run in self.runs]

    def pairs(self) -> list[tuple[Evaluation, Evaluation]]:
        """The evaluations of base and trained policy for each seed."""
        splits = [self.split(index) for index in range(len(self.runs))]
        return [(split.base, split.trained) for split in splits if split.trained is not None]

    def base_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's base on each problem."""
        return np.stack([base.by_problem(k) for base, _ in self.pairs()])

    def trained_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's trained policy on each problem."""
        return np.stack([trained.by_problem(k) for _, trained in self.pairs()])

    def base(self, k: int) -> Interval:
        """Pass@k of the base, with its bootstrap interval."""
        return bootstrap_mean(self.base_SP(k))

    def trained(self, k: int) -> Interval:
        """Pass@k of the trained policy, with its bootstrap interval."""
        return bootstrap_mean(self.trained_SP(k))

    def minus(self, other: "Method", k: int) -> Interval:
        """Pass@k of this method minus that of another, paired by problem and seed."""
        return bootstrap_mean(self.trained_SP(k) - other.trained_SP(k))

    def crossing(self) -> Crossing:
        """The smallest k at which Pass@k of the trained policy is below that of the base."""
        ks = powers_of_two(self.n)
        return bootstrap_crossing(ks, np.stack([self.trained_SP(k) - self.base_SP(k) for k in ks]))


def pool(runs: Sequence[RunFolder], split_name: str, warn: Callable[[str], None] = lambda _: None) -> list[Method]:
    """One `Method` for each label, on the same problems, with the seeds that all methods have.

    Args:
        runs: The runs. Those without results on this set are left out.
        split_name: `heldout`, `train`, or a suite of `src/eval.py`.
        warn: Called with a message for each run that is left out because another method lacks its seed, or whose base
            differs from the base of another method.

    Raises:
        ConfigError: When runs can't be paired: problems or samples differ, seeds are not shared, or one appears twice.
    """
    having = [run for run in runs if split_name in run.record.splits]
    by_label = {
        label: [run for run in having if run.label == label] for label in dict.fromkeys(r.label for r in having)
    }
    for label, those in by_label.items():
        seeds = [run.seed for run in those]
        if twice := [seed for seed in seeds if seeds.count(seed) > 1]:
            raise ConfigError(
                f"runs: {label} appears twice with seed {twice[0]}: give one run a method and seed, or a name of its "
                "own with algo.name."
            )
    common = set.intersection(*({run.seed for run in those} for those in by_label.values()))
    if not common:
        raise ConfigError(f"runs: {', '.join(by_label)} have no seed in common: only runs of equal seeds compare.")
    for run in having:
        if run.seed not in common:
            warn(f"{run.label} with seed {run.seed} is left out: another method lacks that seed.")
        if _asked(run, split_name) != _asked(having[0], split_name):
            raise ConfigError(
                f"runs: {run.label} was evaluated on other problems or with another n than {having[0].label}."
            )
        first = next(other for other in having if other.seed == run.seed)
        if run.record.splits[split_name].base.correct != first.record.splits[split_name].base.correct:
            warn(f"{run.label} with seed {run.seed} has another base than {first.label}, whose base is shown.")
    return [
        Method(label, split_name, tuple(sorted((run for run in those if run.seed in common), key=lambda run: run.seed)))
        for label, those in by_label.items()
    ]


def _asked(run: RunFolder, split_name: str) -> tuple[int, tuple[str, ...]]:
    base = run.record.splits[split_name].base
    return base.n, base.problem_ids
