"""A run's way during training: Pass@1, and what is read off as a function of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlvr.eval import Evaluation, RunRecord
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.estimators import log_coverage
from rlvr.report.paths import Place, first_at
from studies.frontier.setting import MANY

Measure = Callable[[Evaluation], FloatArray]
"""Of an evaluation [P]; more is better."""


def pass_many(evaluation: Evaluation) -> FloatArray:
    """Pass@256 [P]."""
    return evaluation.by_problem(MANY)


def minus_log_coverage(evaluation: Evaluation) -> FloatArray:
    """Minus the log-coverage [P], nats: it weighs every k up to n, and more of it is better, as of Pass@k."""
    return -log_coverage(evaluation.n)[np.array(evaluation.correct)]


def guessed(record: RunRecord) -> float:
    """Pass@256 of blind guessing on the problems that are evaluated on the way."""
    heldout = record.splits["heldout"]
    rate_P = np.array(heldout.guess_rate)[: len(heldout.path[0].problem_ids)]
    return float((1 - (1 - rate_P) ** MANY).mean())


@dataclass(frozen=True)
class Way:
    """One run's evaluations of P problems during training, [T, P]: Pass@1, and Pass@256 or what else is measured."""

    one_TP: FloatArray
    many_TP: FloatArray

    @classmethod
    def of(cls, record: RunRecord, measure: Measure = pass_many) -> "Way":
        """Read the evaluations from a record."""
        path = record.splits["heldout"].path
        evaluations = [path[step] for step in sorted(path)]
        return cls(
            np.stack([one.by_problem(1) for one in evaluations]), np.stack([measure(one) for one in evaluations])
        )

    def since_base(self) -> "Way":
        """The same in changes since the base, of either axis."""
        return Way(self.one_TP - self.one_TP[0], self.many_TP - self.many_TP[0])

    @property
    def one_T(self) -> FloatArray:
        """Pass@1, mean over problems."""
        return np.asarray(self.one_TP.mean(axis=1))

    def place(self, level: float) -> Place | None:
        """Where Pass@1 first reaches a level."""
        return first_at(self.one_T, level)

    def many_at(self, level: float) -> FloatArray | None:
        """Pass@256 [P] at a level of Pass@1; None where the run never reaches it.

        The place of the level depends on the drawn problems, too. So each problem's value is reduced by the slope of
        the path there times the problem's Pass@1 above the level. This leaves the mean as it is, and gives its spread
        over draws of problems to first order (the delta method).
        """
        place = self.place(level)
        if place is None:
            return None
        return np.asarray(place.of(self.many_TP) - self._slope(place) * (place.of(self.one_TP) - level))

    def _slope(self, place: Place) -> float:
        """The slope of Pass@256 over Pass@1 around a place, or one evaluation wider where that rises more."""
        many_T, last = self.many_TP.mean(axis=1), len(self.one_T) - 1
        near = (place.before, min(place.before + 1, last))
        wide = (max(place.before - 1, 0), min(place.before + 2, last))
        start, end = wide if self._rise(*wide) >= self._rise(*near) else near
        rise = self._rise(start, end)
        return float((many_T[end] - many_T[start]) / rise) if rise > 0 else 0.0

    def _rise(self, start: int, end: int) -> float:
        return float(self.one_T[end] - self.one_T[start])
