"""Runs of one method pooled over seeds, compared on the same problems."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr.errors import ConfigError
from rlvr.eval import Crossing, Evaluation, Interval, SplitRecord, bootstrap_crossing, bootstrap_mean, powers_of_two
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.runs import RunFolder


@dataclass(frozen=True)
class Method:
    """One method's runs, one a seed, on one set of problems."""

    label: str
    split_name: str
    runs: tuple[RunFolder, ...]

    def split(self, index: int) -> SplitRecord:
        """The results of one run."""
        return self.runs[index].record.splits[self.split_name]

    @property
    def n(self) -> int:
        """Samples a problem."""
        return self.split(0).base.n

    @property
    def seeds(self) -> list[int]:
        """Of the runs."""
        return [run.seed for run in self.runs]

    def pairs(self) -> list[tuple[Evaluation, Evaluation]]:
        """Base and trained policy of each seed."""
        splits = [self.split(index) for index in range(len(self.runs))]
        return [(split.base, split.trained) for split in splits if split.trained is not None]

    def base_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's base on each problem."""
        return np.stack([base.by_problem(k) for base, _ in self.pairs()])

    def trained_SP(self, k: int) -> FloatArray:
        """Pass@k of each seed's trained policy on each problem."""
        return np.stack([trained.by_problem(k) for _, trained in self.pairs()])

    def base(self, k: int) -> Interval:
        """Pass@k of the base."""
        return bootstrap_mean(self.base_SP(k))

    def trained(self, k: int) -> Interval:
        """Pass@k of the trained policy."""
        return bootstrap_mean(self.trained_SP(k))

    def minus(self, other: "Method", k: int) -> Interval:
        """This method minus another, paired by problem and seed."""
        return bootstrap_mean(self.trained_SP(k) - other.trained_SP(k))

    def crossing(self) -> Crossing:
        """Smallest k at which the trained policy is below the base."""
        ks = powers_of_two(self.n)
        return bootstrap_crossing(ks, np.stack([self.trained_SP(k) - self.base_SP(k) for k in ks]))


def pool(runs: Sequence[RunFolder], split_name: str, warn: Callable[[str], None] = lambda _: None) -> list[Method]:
    """One `Method` a label on the seeds that all have, all on the same problems.

    Args:
        runs: Those without results on this set are left out.
        split_name: `heldout`, `train`, or a suite of `src/eval.py`.
        warn: Told of runs that are left out because another method lacks their seed.

    Raises:
        ConfigError: When runs differ in problems or samples, or share no seed, and so can't be paired.
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
