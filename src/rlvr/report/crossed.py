"""Methods whose samples were scored under base and trained policy, and what follows from the scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr.eval import Interval, bootstrap_mean
from rlvr.eval.bootstrap import FloatArray, bootstrap_ratio
from rlvr.eval.cross import SPLIT, Crossed
from rlvr.eval.estimators import IntArray
from rlvr.report.study import Study

Of = Callable[[Crossed], FloatArray | IntArray]
"""A quantity of each problem [P]."""


@dataclass(frozen=True)
class Drawn:
    """Samples of one policy, of every seed.

    Attributes:
        label: `base`, or the method.
        seeds: A seed's samples each, on the same problems.
    """

    label: str
    seeds: Sequence[Crossed]

    def mean(self, of: Of) -> Interval:
        """Over problems."""
        return bootstrap_mean(self._of(of))

    def ratio(self, above: Of, below: Of) -> Interval | None:
        """Of two sums over problems; None where the second is 0."""
        below_SP = self._of(below)
        return bootstrap_ratio(self._of(above), below_SP) if below_SP.any() else None

    def _of(self, of: Of) -> FloatArray:
        return np.array([of(one) for one in self.seeds], dtype=np.float64)


@dataclass(frozen=True)
class CrossedStudy:
    """Held-out problems under both policies.

    Attributes:
        n: Samples a problem of the evaluations, of which Pass@k is.
        problems: P.
        samples: Of a problem and policy that were scored.
        base: The first method's base.
        bases: Every method's base, whose samples were scored under that method, too.
        trained: The methods.
    """

    n: int
    problems: int
    samples: int
    base: Drawn
    bases: Sequence[Drawn]
    trained: Sequence[Drawn]


def crossed_study(study: Study) -> CrossedStudy | None:
    """Of the methods all of whose runs have scored their samples so; None where there is none."""
    bases, trained = [], []
    for method in study.methods.get(SPLIT, []):
        found = [run.crossed for run in method.runs]
        seeds = [one for one in found if one is not None]
        if len(seeds) == len(found):
            bases.append(Drawn("base", [one["base"] for one in seeds]))
            trained.append(Drawn(method.label, [one["trained"] for one in seeds]))
    if not trained:
        return None
    problems, samples = bases[0].seeds[0].right_PN.shape
    return CrossedStudy(study.methods[SPLIT][0].n, problems, samples, bases[0], bases, trained)
