"""What each method has become at the last step, however it went there: fresh seeds, all held-out problems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rlvr.eval import Evaluation, Interval
from rlvr.eval.bands import simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.tables import with_interval
from rlvr.tables import Grid
from studies.frontier.record import read
from studies.frontier.setting import MANY, METHODS, Run
from studies.frontier.way import minus_log_coverage

KS = (1, 4, 16, 64, MANY)


@dataclass(frozen=True)
class Ending:
    """Where one learning rate of a method ends.

    Attributes:
        runs: One for each of S seeds.
        base_QSP: The bases' Pass@k at every k of `KS`, and minus the log-coverage, nats; more is better in all.
        change_QSP: What the last step has more of each.
    """

    runs: Sequence[Run]
    base_QSP: FloatArray
    change_QSP: FloatArray

    @classmethod
    def of(cls, runs: Sequence[Run]) -> "Ending":
        """Read it from the runs' records."""
        splits = [read(run).splits["heldout"] for run in runs]
        pairs = [(_measures(split.base), _measures(split.trained)) for split in splits if split.trained]
        base_QSP, now_QSP = (np.stack(side, axis=1) for side in zip(*pairs, strict=True))
        return cls(runs, base_QSP, now_QSP - base_QSP)

    @cached_property
    def intervals(self) -> list[Interval]:
        """The mean changes, in a band that holds for all of them at once."""
        return simultaneous(self.change_QSP).intervals

    def less(self, other: "Ending") -> list[Interval]:
        """What this ending has more of each than another, paired by seed and problem, in such a band."""
        return simultaneous(self.change_QSP - other.change_QSP).intervals


def _measures(evaluation: Evaluation) -> FloatArray:
    return np.stack([*(evaluation.by_problem(k) for k in KS), minus_log_coverage(evaluation)])


def one_and_many(intervals: Sequence[Interval]) -> tuple[Interval, Interval]:
    """Those of Pass@1 and Pass@256."""
    return intervals[0], intervals[KS.index(MANY)]


def table(endings: Mapping[str, Sequence[Ending]]) -> Grid:
    """Blind guessing, the bases, and the changes since them: a row for each learning rate of each method."""
    any_of = next(iter(endings.values()))[0]
    split = read(any_of.runs[0]).splits["heldout"]
    *passed, coverage = any_of.base_QSP.mean(axis=(1, 2))
    rows = [
        ["blind guessing", "", "", *(f"{100 * split.guess_pass_at(k):.1f}" for k in KS), ""],
        ["base", "", "", *(f"{100 * value:.1f}" for value in passed), f"{coverage:.2f}"],
    ]
    for method, by_rate in endings.items():
        for ending in by_rate:
            *passed_K, last = ending.intervals
            cells = [with_interval(interval, signed=True) for interval in passed_K]
            rate, seeds = ending.runs[0].rate, len(ending.runs)
            rows.append([METHODS[method].label, f"{rate:g}", str(seeds), *cells, nats(last)])
    header = ["", "learning rate", "seeds", *(f"k={k}" for k in KS), "- log-coverage, nats"]
    title = "Pass@k of the base, %, and its change at the last step, points [95 % band of the row]; * excludes 0"
    return Grid(title, header, rows)


def nats(interval: Interval) -> str:
    """A change in nats."""
    star = "*" if interval.excludes_zero else ""
    return f"{interval.mean:+.2f}{star} [{interval.low:.2f}, {interval.high:.2f}]"
