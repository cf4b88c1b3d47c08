"""Compares Pass@k of the methods where all have the same Pass@1, or the same KL to their base."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.findings import FEWEST_PROBLEMS
from rlvr.report.paths import RunPath
from rlvr.report.places import Paths, Places, at_places, gain_places, kl_at, kl_places
from rlvr.report.study import Study
from rlvr.report.tables import rounded, shown_ks


@dataclass(frozen=True)
class Keeping:
    """Pass@k of the methods at the largest k, where each has the Pass@1, or the KL to its base, that all reach.

    Attributes:
        k: The largest k.
        problems: Number of problems P in the evaluations during training.
        mean: Pass@k by method, the best first.
        minus: Differences of every two methods, better minus worse, with intervals that hold for all pairs at once.
        agreed: Whether the best method is above each other method with every seed.
        kl: The KL at which they are compared, nats a sequence, mean over seeds; None: at equal Pass@1.
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
        """Pass@k of the best method minus that of the second."""
        first, second, *_ = self.mean
        return self.minus[first, second]

    @property
    def sure(self) -> bool:
        """Whether the best method is surely above all others: intervals exclude 0, all seeds agree, enough problems."""
        over = [rounded(one).low > 0 for (better, _), one in self.minus.items() if better == self.best]
        return self.problems >= FEWEST_PROBLEMS and self.agreed and all(over)


@dataclass(frozen=True)
class Ahead:
    """The comparisons of methods on a set of problems.

    Attributes:
        at_gain: At equal Pass@1; None where fewer than two methods can be compared.
        at_kl: At equal KL; None where fewer than two methods can be compared, or KL was not measured.
    """

    at_gain: Keeping | None
    at_kl: Keeping | None


def ahead(study: Study, split: str) -> Ahead:
    """Compare the methods on a set of problems by their evaluations during training, where there are any."""
    if split not in study.walked:
        return Ahead(None, None)
    methods = study.methods[split]
    paths = {one.label: [RunPath.of(run, split, shown_ks(methods[0].n)) for run in one.runs] for one in methods}
    return Ahead(kept(paths), kept_near(paths))


def kept(paths: Paths) -> Keeping | None:
    """Compare the methods that rise above their base at the Pass@1 that all of these reach."""
    return _compared(paths, gain_places(paths, 1.0))


def kept_near(paths: Paths) -> Keeping | None:
    """Compare the methods at the KL that all reach; None where KL was not measured or one stays at its base."""
    places = kl_places(paths, 1.0)
    if places is None:
        return None
    kl = kl_at(paths, places)
    found = _compared(paths, places) if kl > 0 else None
    return replace(found, kl=kl) if found else None


def _compared(paths: Paths, places: Places) -> Keeping | None:
    """Compare the methods at these places of their paths; None where there are fewer than two methods."""
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
