"""Decides how each method differs from its base on a set of problems. The module `answer` puts this into words."""

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
from rlvr.report.tables import rounded

FEWEST_PROBLEMS = 20  # with fewer, bootstrap intervals over problems miss the true value more often than they state

Movement = Literal["rose", "fell", "open"]
Crossed = Literal["crossed", "turned", "below", "above", "open"]


@dataclass(frozen=True)
class Finding:
    """The comparison of one method with its base.

    Attributes:
        method: The method.
        ks: K values of k, powers of two.
        band: Pass@k minus that of the base [K], with intervals that hold for all k and all methods of the set at once.
        by_seed: Differences of Pass@k for each seed, mean over problems [K, S].
        alone: The differences with the bootstrap's pointwise intervals [K], each of which holds by itself.
        seen: The smallest differences [K] that the study would have found in 80 of 100 cases.
        k_star: Smallest k at which the mean curve is below that of its base, interpolated; infinite if there is none.
        crossed_by: P(k* <= k) [K], the share of bootstrap curves that have crossed by k.
        claims: The ledger's claims for each seed.
        confirmations: What fresh samples say of the claims, for each seed; None where none were drawn.
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
        """Number of problems P."""
        return len(self.method.split(0).base.problem_ids)

    @property
    def signs(self) -> list[int]:
        """Sign of the difference at each k; 0 where the band includes 0, seeds disagree, or problems are too few."""
        if self.problems < FEWEST_PROBLEMS:
            return [0 for _ in self.ks]
        signs = excluding([rounded(one) for one in self.band])
        agree_K = (np.sign(self.by_seed) == np.array(signs)[:, None]).all(axis=1)
        return [sign if agree else 0 for sign, agree in zip(signs, agree_K.tolist(), strict=True)]

    @property
    def movement(self) -> Movement:
        """Whether Pass@1 rose, fell, or may have moved either way."""
        return {1: "rose", -1: "fell", 0: "open"}[self.signs[0]]  # type: ignore[return-value]

    @property
    def between(self) -> tuple[int, int] | None:
        """The two k between which the curve crosses its base's, or None.

        At the first it is surely on one side of its base's, at the second, the next sure one, on the other side.
        """
        sure = [(k, sign) for k, sign in zip(self.ks, self.signs, strict=True) if sign]
        return next(((k, later) for (k, sign), (later, other) in pairwise(sure) if sign != other), None)

    @property
    def crossed(self) -> Crossed:
        """`crossed`: the curve is surely above its base at some k and surely below it at a larger one; `turned`: the
        other way round; `above`: surely above at every k; `below`: surely below at some k; `open`: none of these."""
        if self.between:
            return "crossed" if self.signs[self.ks.index(self.between[0])] == 1 else "turned"
        if all(sign == 1 for sign in self.signs):
            return "above"
        return "below" if -1 in self.signs else "open"

    def counts(self, kind: Kind) -> list[int]:
        """Number of claims of a kind for each seed."""
        return [len(found.of(kind)) for found in self.claims]


def findings(study: Study) -> dict[str, list[Finding]]:
    """The findings of every method, by set of problems."""
    return {split: findings_of(methods) for split, methods in study.methods.items()}


def findings_of(methods: Sequence[Method]) -> list[Finding]:
    """The findings of all methods on one set of problems."""
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
    """The confirmation, or None where it tests other claims because the run was evaluated again since."""
    if confirmation is None or confirmation.n != found.n:
        return None
    claimed = {(change.problem_id, kind) for kind in KINDS for change in found.of(kind)}
    return confirmation if {(one.problem_id, one.kind) for one in confirmation.drawn} == claimed else None
