"""Methods whose samples were scored under base and trained policy, and what follows from the scores."""

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

    def values(self, of: Of) -> FloatArray:
        """Of every seed and problem, [S, P]."""
        return np.array([of(one) for one in self.seeds], dtype=np.float64)


@dataclass(frozen=True)
class CrossedStudy:
    """Held-out problems under both policies.

    Attributes:
        n: Samples a problem of the evaluations, of which Pass@k is.
        problems: P.
        samples: Of a problem and policy that were scored.
        bases: Every method's base, whose samples were scored under that method, too.
        trained: The methods.
    """

    n: int
    problems: int
    samples: int
    bases: Sequence[Drawn]
    trained: Sequence[Drawn]

    @property
    def policies(self) -> list[Drawn]:
        """The first method's base, and the methods."""
        return [self.bases[0], *self.trained]

    def divergences(self) -> list[tuple[Interval, Interval]]:
        """KL(trained || base) and KL(base || trained) of each method, nats a sequence; all intervals hold at once.

        Those of `simultaneous`: a percentile bootstrap misses too often here, since few problems have most of the KL.
        """
        drawn = [one for pair in zip(self.trained, self.bases, strict=True) for one in pair]
        band = simultaneous(np.array([one.values(lambda each: each.kl_P) for one in drawn])).intervals
        return list(zip(band[::2], band[1::2], strict=True))

    def parts(self, above: Of, below: Of) -> dict[str, Interval]:
        """A ratio of sums of every policy, without those whose lower sum is 0; all intervals hold at once."""
        policies = [one for one in self.policies if one.values(below).any()]
        if not policies:
            return {}
        found = ratios(*(np.array([one.values(of) for one in policies]) for of in (above, below)))
        return dict(zip((one.label for one in policies), found, strict=True))


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
    return CrossedStudy(study.methods[SPLIT][0].n, problems, samples, bases, trained)
