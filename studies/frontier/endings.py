"""What each method has become at the last step, however it went there: fresh seeds, all held-out problems."""

from collections.abc import Mapping, Sequence

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


def measures(evaluation: Evaluation) -> FloatArray:
    """Pass@k at every k of `KS`, and minus the log-coverage in nats, [K + 1, P]; more is better in all of them."""
    return np.stack([*(evaluation.by_problem(k) for k in KS), minus_log_coverage(evaluation)])


def base_and_change(runs: Sequence[Run]) -> tuple[FloatArray, FloatArray]:
    """The base's measures and their changes at the last step, each [K + 1, S, P]."""
    splits = [read(run).splits["heldout"] for run in runs]
    pairs = [(measures(split.base), measures(split.trained)) for split in splits if split.trained]
    base_QSP = np.stack([base for base, _ in pairs], axis=1)
    return base_QSP, np.stack([now for _, now in pairs], axis=1) - base_QSP


def table(fresh: Mapping[str, Sequence[Sequence[Run]]]) -> Grid:
    """Changes since each seed's base, a row for each learning rate of each method, given as its runs by seed."""
    rows: list[list[str]] = []
    for method, by_rate in fresh.items():
        for runs in by_rate:
            base_QSP, change_QSP = base_and_change(runs)
            if not rows:
                rows.append(["blind guessing", "", "", *_guessed(runs[0]), ""])
                *passed, coverage = base_QSP.mean(axis=(1, 2))
                rows.append(["base", "", "", *(f"{100 * value:.1f}" for value in passed), f"{coverage:.2f}"])
            *passed_K, last = simultaneous(change_QSP).intervals
            cells = [with_interval(interval, signed=True) for interval in passed_K]
            rows.append([METHODS[method].label, f"{runs[0].rate:g}", str(len(runs)), *cells, nats(last)])
    header = ["", "learning rate", "seeds", *(f"k={k}" for k in KS), "- log-coverage, nats"]
    title = "Pass@k of the base, %, and its change at the last step, points [95 % band of the row]; * excludes 0"
    return Grid(title, header, rows)


def _guessed(run: Run) -> list[str]:
    """Pass@k of blind guessing, in %."""
    rate_P = np.array(read(run).splits["heldout"].guess_rate)
    return [f"{100 * (1 - (1 - rate_P) ** k).mean():.1f}" for k in KS]


def difference(runs: Sequence[Run], others: Sequence[Run]) -> list[Interval]:
    """What these have at the last step less what the others have, paired by seed and problem, simultaneous over k."""
    return simultaneous(base_and_change(runs)[1] - base_and_change(others)[1]).intervals


def changes(fresh: Mapping[str, Sequence[Sequence[Run]]]) -> dict[str, list[tuple[Interval, Interval]]]:
    """The changes of Pass@1 and Pass@256 at the last step, as in the table, by method and learning rate."""
    found: dict[str, list[tuple[Interval, Interval]]] = {}
    for method, by_rate in fresh.items():
        for runs in by_rate:
            intervals = simultaneous(base_and_change(runs)[1]).intervals
            found.setdefault(method, []).append((intervals[0], intervals[KS.index(MANY)]))
    return found


def nats(interval: Interval) -> str:
    """A change in nats."""
    star = "*" if interval.excludes_zero else ""
    return f"{interval.mean:+.2f}{star} [{interval.low:.2f}, {interval.high:.2f}]"
