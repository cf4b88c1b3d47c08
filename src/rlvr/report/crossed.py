"""KL and ratios for the methods whose samples were scored under both the base and the trained policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import ratios, simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.cross import SPLIT, Crossed
from rlvr.eval.estimators import IntArray
from rlvr.report.study import Study

Of = Callable[[Crossed], FloatArray | IntArray]
"""A function that gives a quantity for each problem [P]."""


@dataclass(frozen=True)
class Drawn:
    """The samples of one policy for all seeds.

    Attributes:
        label: `base`, or the name of the method.
        seeds: The samples of each seed, all on the same problems.
    """

    label: str
    seeds: Sequence[Crossed]

    def values(self, of: Of) -> FloatArray:
        """The quantity for every seed and problem, [S, P]."""
        return np.array([of(one) for one in self.seeds], dtype=np.float64)


@dataclass(frozen=True)
class CrossedStudy:
    """Scored samples of all methods and their bases on the held-out problems.

    Attributes:
        n: Samples of each problem in the evaluations, from which Pass@k is estimated.
        problems: Number of problems P.
        samples: Scored samples for each problem and policy.
        bases: Samples of the base for each method, scored under the base and under that method's policy.
        trained: Samples of each method's trained policy.
    """

    n: int
    problems: int
    samples: int
    bases: Sequence[Drawn]
    trained: Sequence[Drawn]

    @property
    def policies(self) -> list[Drawn]:
        """The base of the first method, then the trained policies."""
        return [self.bases[0], *self.trained]

    def divergences(self) -> list[tuple[Interval, Interval]]:
        """KL(trained || base) and KL(base || trained) of each method, nats a sequence; all intervals hold at once.

        The intervals come from `simultaneous`. Those of a percentile bootstrap would miss the true KL too often here,
        since a few problems have most of the KL.
        """
        drawn = [one for pair in zip(self.trained, self.bases, strict=True) for one in pair]
        band = simultaneous(np.array([one.values(lambda each: each.kl_P) for one in drawn])).intervals
        return list(zip(band[::2], band[1::2], strict=True))

    def parts(self, above: Of, below: Of) -> dict[str, Interval]:
        """The ratio of the sums of `above` and `below` for each policy; all intervals hold at once.

        Policies whose `below` is 0 everywhere are left out.
        """
        policies = [one for one in self.policies if one.values(below).any()]
        if not policies:
            return {}
        found = ratios(*(np.array([one.values(of) for one in policies]) for of in (above, below)))
        return dict(zip((one.label for one in policies), found, strict=True))


def crossed_study(study: Study) -> CrossedStudy | None:
    """The study of the methods whose runs have all scored their samples under both policies; None without such one."""
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
    return CrossedStudy(study.methods[SPLIT][0].n, problems, samples, bases, trained)
