"""Which method keeps most of the boundary where all have the same Pass@1, or are as far from their base."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.findings import FEWEST_PROBLEMS, rounded
from rlvr.report.paths import RunPath
from rlvr.report.places import Paths, Places, at_places, gain_places, kl_at, kl_places
from rlvr.report.study import Study
from rlvr.report.tables import shown_ks


@dataclass(frozen=True)
class Keeping:
    """Methods at the Pass@1, or the KL to their base, that all of them reach, compared at the largest k.

    Attributes:
        k: The largest.
        problems: P, of the evaluations along the way.
        mean: Pass@k by method, the best first.
        minus: Differences of every two methods, the better one first, with intervals that hold for all pairs at once.
        agreed: Whether the best one is above each other one with every seed.
        kl: That KL, nats a sequence, mean over seeds; None: they are compared at equal Pass@1.
    """

    k: int
    problems: int
    mean: dict[str, float]
    minus: dict[tuple[str, str], Interval]
    agreed: bool
    kl: float | None = None

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


@dataclass(frozen=True)
class Ahead:
    """What is known of a set of problems; None where fewer than two methods can be compared so, or it is not measured.

    Attributes:
        at_gain: At equal Pass@1.
        at_kl: At equal KL.
    """

    at_gain: Keeping | None
    at_kl: Keeping | None


def ahead(study: Study, split: str) -> Ahead:
    """Read off the paths, where runs were evaluated along the way."""
    if split not in study.walked:
        return Ahead(None, None)
    methods = study.methods[split]
    paths = {one.label: [RunPath.of(run, split, shown_ks(methods[0].n)) for run in one.runs] for one in methods}
    return Ahead(kept(paths), kept_near(paths))


def kept(paths: Paths) -> Keeping | None:
    """At the Pass@1 that all methods reach which rise above their base; paths by method, in the order of seeds."""
    return _compared(paths, gain_places(paths, 1.0))


def kept_near(paths: Paths) -> Keeping | None:
    """At the KL that all methods reach; None where it was not measured, or a method has not left its base."""
    places = kl_places(paths, 1.0)
    if places is None:
        return None
    kl = kl_at(paths, places)
    found = _compared(paths, places) if kl > 0 else None
    return replace(found, kl=kl) if found else None


def _compared(paths: Paths, places: Places) -> Keeping | None:
    """At these places; None where there are fewer than two methods."""
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
