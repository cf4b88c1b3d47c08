"""Reads Pass@k at any place of a run's path through training, to compare runs at equal cost or gain instead of steps.

Between two evaluations of a path, Pass@k of every problem is interpolated linearly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.cross import SPLIT
from rlvr.report.runs import RunFolder


@dataclass(frozen=True)
class Place:
    """A place on a path: `share` of the way from evaluation `before` to the next."""

    before: int
    share: float

    def of(self, value_T: FloatArray) -> FloatArray:
        """A quantity at this place, interpolated from its values at the T evaluations (along the first axis)."""
        after = min(self.before + 1, len(value_T) - 1)
        return np.asarray((1 - self.share) * value_T[self.before] + self.share * value_T[after])


@dataclass(frozen=True)
class RunPath:
    """One run's evaluations during training on one set of problems, from the base to the last step.

    Attributes:
        label: Name of the method.
        seed: Seed of the run.
        step_T: Optimizer steps of the T evaluations.
        token_T: Completion tokens generated for training up to each evaluation; None where they are not known.
        pass_KTP: Pass@k of each evaluation and problem [T, P], by k.
        kl_T: KL(policy || base), nats a sequence; None where it was not measured.
    """

    label: str
    seed: int
    step_T: FloatArray
    token_T: FloatArray | None
    pass_KTP: dict[int, FloatArray]
    kl_T: FloatArray | None = None

    @classmethod
    def of(cls, run: RunFolder, split: str, ks: Sequence[int]) -> "RunPath":
        """Make the path from a run's record."""
        walked = run.record.splits[split].path
        steps = sorted(walked)
        known = all(step in run.generated for step in steps)
        return cls(
            run.label,
            run.seed,
            np.array(steps, dtype=float),
            np.array([run.generated[step] for step in steps]) if known else None,
            {k: np.stack([walked[step].by_problem(k) for step in steps]) for k in ks},
            _kl(run, split, steps),
        )

    def curve(self, k: int) -> FloatArray:
        """Pass@k at each evaluation, mean over problems."""
        return np.asarray(self.pass_KTP[k].mean(axis=1))

    def there(self, place: Place) -> dict[int, FloatArray]:
        """Pass@k of each problem at a place of the path, by k."""
        return {k: place.of(pass_TP) for k, pass_TP in self.pass_KTP.items()}


def _kl(run: RunFolder, split: str, steps: Sequence[int]) -> FloatArray | None:
    """KL(policy || base) at each evaluation, mean over its problems; None where it was not measured."""
    cross = run.cross if split == SPLIT else None
    if cross is None or any(step not in cross.path for step in steps):
        return None
    return np.array([np.mean(cross.path[step]) for step in steps])


def place_at(x_T: FloatArray, x: float) -> Place:
    """The place where a rising quantity has the value x. Outside its range, this is the first or last place."""
    x = float(np.clip(x, x_T[0], x_T[-1]))
    before = min(int(np.searchsorted(x_T, x, side="right")) - 1, len(x_T) - 1)
    if before == len(x_T) - 1:
        return Place(before, 0.0)
    return Place(before, float((x - x_T[before]) / (x_T[before + 1] - x_T[before])))


def first_at(y_T: FloatArray, level: float) -> Place | None:
    """The first place where a quantity that may rise and fall reaches a level; None where it never does."""
    reached = np.flatnonzero(y_T >= level)
    if not len(reached):
        return None
    at = int(reached[0])
    if at == 0:
        return Place(0, 0.0)
    return Place(at - 1, float((level - y_T[at - 1]) / (y_T[at] - y_T[at - 1])))


def early_stop(one_T: FloatArray, many_T: FloatArray) -> int | None:
    """Index of the evaluation with the best Pass@k among those whose Pass@1 is above the base's; None without one.

    Of equal evaluations it is the first.

    Args:
        one_T: Pass@1 at each evaluation, the base first.
        many_T: Pass@k at each evaluation, at the largest k.
    """
    allowed = np.flatnonzero(one_T > one_T[0])
    return int(allowed[np.argmax(many_T[allowed])]) if len(allowed) else None


def common_gain(paths: Sequence[RunPath]) -> float:
    """The Pass@1 that all of these runs of one seed reach: the smallest of their best values."""
    return float(min(path.curve(1).max() for path in paths))
