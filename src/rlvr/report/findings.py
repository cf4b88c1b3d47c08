"""What the numbers of a method say of its base on one set of problems: decided here, worded in `answer`."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from rlvr.eval import Interval, bootstrap_mean, powers_of_two
from rlvr.eval.bands import Band, crossed_by, excluding, simultaneous
from rlvr.eval.bootstrap import FloatArray, crossing
from rlvr.eval.claims import KINDS, Claims, claims
from rlvr.eval.confirmation import Confirmation, read_confirmations
from rlvr.eval.ledger import Kind
from rlvr.eval.power import Unseen, detectable, unseen
from rlvr.report.pool import Method
from rlvr.report.study import Study

FEWEST_PROBLEMS = 20  # with fewer a bootstrap over problems misses the truth more often than it says
DIGITS = 3  # of a share: a claim must hold in the figures that are shown, tenths of a point

Movement = Literal["rose", "fell", "open"]
Crossed = Literal["crossed", "turned", "below", "above", "open"]


@dataclass(frozen=True)
class Finding:
    """One method against its base.

    Attributes:
        method: The method.
        ks: K values of k, powers of two.
        band: Pass@k minus the base's [K], with intervals that hold for every k and every method of the set at once.
        by_seed: Mean differences [K, S].
        alone: The differences with the bootstrap's pointwise intervals [K], each of which holds by itself.
        seen: The differences [K] that the study would have found in 80 of 100 cases.
        k_star: Smallest k at which the mean curve is below its base's, interpolated; infinite where it is not.
        crossed_by: P(k* <= k) [K], of the bootstrap's curves.
        claims: Of each seed.
        confirmations: Of each seed; None where no fresh samples were drawn.
        unseen: Losses that could not have been claimed.
    """

    method: Method
    ks: list[int]
    band: list[Interval]
    by_seed: FloatArray
    alone: list[Interval]
    seen: FloatArray
    k_star: float
    crossed_by: FloatArray
    claims: list[Claims]
    confirmations: list[Confirmation | None]
    unseen: Unseen

    @property
    def problems(self) -> int:
        """P."""
        return len(self.method.split(0).base.problem_ids)

    @property
    def signs(self) -> list[int]:
        """Of the differences at every k; 0 where the band includes 0, seeds disagree, or problems are too few."""
        if self.problems < FEWEST_PROBLEMS:
            return [0 for _ in self.ks]
        signs = excluding([rounded(one) for one in self.band])
        agree_K = (np.sign(self.by_seed) == np.array(signs)[:, None]).all(axis=1)
        return [sign if agree else 0 for sign, agree in zip(signs, agree_K.tolist(), strict=True)]

    @property
    def movement(self) -> Movement:
        """Of Pass@1."""
        return {1: "rose", -1: "fell", 0: "open"}[self.signs[0]]  # type: ignore[return-value]

    @property
    def between(self) -> tuple[int, int] | None:
        """The last k at which the curve is surely on one side before the first at which it is surely on the other."""
        sure = [(k, sign) for k, sign in zip(self.ks, self.signs, strict=True) if sign]
        return next(((k, later) for (k, sign), (later, other) in pairwise(sure) if sign != other), None)

    @property
    def crossed(self) -> Crossed:
        """`crossed`: surely above its base at some k and surely below at a larger one; `turned`: first below."""
        if self.between:
            return "crossed" if self.signs[self.ks.index(self.between[0])] == 1 else "turned"
        if all(sign == 1 for sign in self.signs):
            return "above"
        return "below" if -1 in self.signs else "open"

    def counts(self, kind: Kind) -> list[int]:
        """Claims of each seed."""
        return [len(found.of(kind)) for found in self.claims]


def rounded(interval: Interval) -> Interval:
    """As text shows it."""
    return Interval(*(round(value, DIGITS) for value in (interval.mean, interval.low, interval.high)))


def findings(study: Study) -> dict[str, list[Finding]]:
    """Of every method, by set of problems."""
    return {split: findings_of(methods) for split, methods in study.methods.items()}


def findings_of(methods: Sequence[Method]) -> list[Finding]:
    """Of methods on one set of problems."""
    ks = powers_of_two(methods[0].n)
    base_MKSP = np.array([[one.base_SP(k) for k in ks] for one in methods])
    difference_MKSP = np.array([[one.trained_SP(k) for k in ks] for one in methods]) - base_MKSP
    band = simultaneous(difference_MKSP.reshape(-1, *difference_MKSP.shape[2:]))
    parts = [slice(start, start + len(ks)) for start in range(0, len(band.mean_Q), len(ks))]
    return [
        _finding(method, ks, base_KSP, difference_KSP, Band(band.mean_Q[part], band.deviation_Q[part], band.critical))
        for method, base_KSP, difference_KSP, part in zip(methods, base_MKSP, difference_MKSP, parts, strict=True)
    ]


def _finding(method: Method, ks: list[int], base_KSP: FloatArray, difference_KSP: FloatArray, band: Band) -> Finding:
    made = [claims(base, now) for base, now in method.pairs()]
    drawn = [read_confirmations(run.folder).get(method.split_name) for run in method.runs]
    return Finding(
        method=method,
        ks=ks,
        band=band.intervals,
        by_seed=difference_KSP.mean(axis=2),
        alone=[bootstrap_mean(difference_SP) for difference_SP in difference_KSP],
        seen=detectable(band, base_KSP),
        k_star=crossing(ks, band.mean_Q),
        crossed_by=crossed_by(difference_KSP),
        claims=made,
        confirmations=[_of_these(one, found) for one, found in zip(drawn, made, strict=True)],
        unseen=unseen(np.array([base.correct for base, _ in method.pairs()]), made),
    )


def _of_these(confirmation: Confirmation | None, found: Claims) -> Confirmation | None:
    """None where the fresh samples are for other claims: the run was evaluated anew since."""
    if confirmation is None or confirmation.n != found.n:
        return None
    claimed = {(change.problem_id, kind) for kind in KINDS for change in found.of(kind)}
    return confirmation if {(one.problem_id, one.kind) for one in confirmation.drawn} == claimed else None
