"""Which method keeps most of the boundary where all have the same Pass@1."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.findings import FEWEST_PROBLEMS, rounded
from rlvr.report.paths import RunPath
from rlvr.report.sections.fair import at_places, gain_places
from rlvr.report.study import Study
from rlvr.report.tables import shown_ks


@dataclass(frozen=True)
class Keeping:
    """Methods at the Pass@1 that all of them reach, compared at the largest k.

    Attributes:
        k: The largest.
        problems: P, of the evaluations along the way.
        mean: Pass@k by method, the best first.
        minus: Differences of every two methods, the better one first, with intervals that hold for all pairs at once.
        agreed: Whether the best one is above each other one with every seed.
    """

    k: int
    problems: int
    mean: dict[str, float]
    minus: dict[tuple[str, str], Interval]
    agreed: bool

    @property
    def best(self) -> str:
        """The method with the largest Pass@k."""
        return next(iter(self.mean))

    @property
    def next_best(self) -> Interval:
        """The best one minus the one after it."""
        first, second, *_ = self.mean
        return self.minus[first, second]

    @property
    def sure(self) -> bool:
        """Whether the best one is above each other one: beyond the band, and with every seed."""
        over = [rounded(one).low > 0 for (better, _), one in self.minus.items() if better == self.best]
        return self.problems >= FEWEST_PROBLEMS and self.agreed and all(over)


def keeping(study: Study, split: str) -> Keeping | None:
    """None where runs were not evaluated along the way, or fewer than two methods rise above their base."""
    if split not in study.walked:
        return None
    methods = study.methods[split]
    paths = {one.label: [RunPath.of(run, split, shown_ks(methods[0].n)) for run in one.runs] for one in methods}
    return kept(paths)


def kept(paths: dict[str, list[RunPath]]) -> Keeping | None:
    """The same of paths by method, in the order of seeds."""
    places = gain_places(paths, 1.0)
    if len(places) < 2:
        return None
    values = at_places(paths, places)
    k = max(values["base"])
    at_k: dict[str, FloatArray] = {label: values[label][k] for label in places}
    order = sorted(at_k, key=lambda label: -float(at_k[label].mean()))
    pairs = list(combinations(order, 2))
    band = simultaneous(np.array([at_k[better] - at_k[other] for better, other in pairs]))
    mean = {label: float(at_k[label].mean()) for label in order}
    over_MS = [at_k[order[0]].mean(axis=1) > at_k[label].mean(axis=1) for label in order[1:]]
    problems, minus = at_k[order[0]].shape[1], dict(zip(pairs, band.intervals, strict=True))
    return Keeping(k, problems, mean, minus, bool(np.all(over_MS)))
