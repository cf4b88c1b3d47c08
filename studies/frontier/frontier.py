"""A method's frontier: Pass@256 at each level of Pass@1, measured with seeds that had no part in choosing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bands import Band, simultaneous
from rlvr.eval.bootstrap import FloatArray, draws
from studies.frontier.curve import LEVELS, reach
from studies.frontier.plan import choose, tried
from studies.frontier.record import read
from studies.frontier.setting import CHOOSING, METHODS, Run, Study
from studies.frontier.way import Measure, Way, pass_many
from studies.hypotheses import data_needed

Decision = Literal["supported", "refuted", "undecided"]
GAIN = 0.003  # gain of Pass@1 over the base from which on levels count
EASY = 0.03  # success rate of the base from which on a problem is called easy


@dataclass(frozen=True)
class Frontier:
    """A method with its chosen learning rates.

    Attributes:
        method: Its name in the study.
        first: Pass@256 at each level with the choosing seed, by chosen rate.
        ways: The runs of the fresh seeds in their order, by chosen rate. Only rates with all their seeds are there.
        base: Pass@1 of the base, mean over the fresh seeds.
    """

    method: str
    first: dict[float, FloatArray]
    ways: dict[float, list[Way]]
    base: float

    @property
    def label(self) -> str:
        """Its name in figures."""
        return METHODS[self.method].label

    @classmethod
    def read(
        cls, study: Study, method: str, done: Sequence[Run], since: bool = False, measure: Measure = pass_many
    ) -> "Frontier | None":
        """Read a method's frontier; None while fresh seeds of its best rate are missing.

        Args:
            study: What is compared.
            method: Its name there.
            done: The runs that there are.
            since: In changes since each seed's base instead of Pass@1 and Pass@256.
            measure: What is read off as a function of Pass@1.
        """
        rates = tried(done, method)
        chosen = choose(rates, study.chosen)
        fresh = {rate: [Run(method, rate, seed, study.task) for seed in study.fresh] for rate in chosen}
        whole = [rate for rate in chosen if all(run in done for run in fresh[rate])]
        if chosen[:1] != whole[:1]:
            return None

        def way_of(run: Run) -> Way:
            way = Way.of(read(run), measure)
            return way.since_base() if since else way

        ways = {rate: [way_of(run) for run in fresh[rate]] for rate in whole}
        choosing = {rate: way_of(Run(method, rate, CHOOSING, study.task)) for rate in whole}
        first = {rate: reach(way.one_T, way.many_TP.mean(axis=1)) for rate, way in choosing.items()}
        base = float(np.mean([way.one_T[0] for way in ways[whole[0]]]))
        return cls(method, first, ways, base)

    def rate_at(self, level: float) -> float | None:
        """The learning rate with the highest Pass@256 at a level, with the choosing seed."""
        at = int(np.abs(LEVELS - level).argmin())
        there = {rate: float(reach_L[at]) for rate, reach_L in self.first.items() if not np.isnan(reach_L[at])}
        return max(there, key=lambda rate: there[rate]) if there else None

    def at(self, level: float) -> FloatArray | None:
        """Pass@256 [S, P] at a level of Pass@1; None unless every fresh seed reaches it."""
        rate = self.rate_at(level)
        found = [way.many_at(level) for way in self.ways[rate]] if rate is not None else [None]
        return None if any(one is None for one in found) else np.stack([one for one in found if one is not None])

    @cached_property
    def levels(self) -> list[float]:
        """The levels that count: those above the base's Pass@1 that every seed reaches."""
        return [float(level) for level in LEVELS if level >= self.base + GAIN and self.at(level) is not None]

    def band(self) -> Band | None:
        """The band of its Pass@256 at the levels that count."""
        found = [value for level in self.levels if (value := self.at(level)) is not None]
        return simultaneous(np.stack(found)) if found else None

    def hard_share(self, level: float) -> "Share | None":
        """The share of a level's gain in Pass@1 that comes from problems that the other seeds' bases hardly solve."""
        rate = self.rate_at(level)
        if rate is None or self.at(level) is None:
            return None
        base_SP = np.stack([way.one_TP[0] for way in self.ways[rate]])
        others_SP = (base_SP.sum(axis=0) - base_SP) / (len(base_SP) - 1)
        places = [way.place(level) for way in self.ways[rate]]
        now_SP = np.stack([place.of(way.one_TP) for place, way in zip(places, self.ways[rate], strict=True) if place])
        return Share(now_SP - base_SP, others_SP < EASY)


@dataclass(frozen=True)
class Share:
    """A gain by seed and problem, and whether each problem is hard."""

    gain_SP: FloatArray
    hard_SP: FloatArray

    def drawn(self) -> FloatArray:
        """The hard problems' share of the gain: first over all, then in each draw of seeds and problems."""
        seed_RS, problem_RP = draws(*self.gain_SP.shape)
        part = np.stack([self.gain_SP * self.hard_SP, self.gain_SP])
        hard_R, all_R = np.einsum("qsp,rs,rp->qr", part, seed_RS, problem_RP)
        share_R = np.divide(hard_R, all_R, out=np.zeros_like(all_R), where=all_R != 0)  # a draw without any gain
        return np.concatenate([[part[0].sum() / part[1].sum()], share_R])


def shares_differ(share: Share, other: Share) -> Interval:
    """Difference of two shares, paired by draw."""
    value = share.drawn() - other.drawn()
    low, high = np.percentile(value[1:], [2.5, 97.5])
    return Interval(float(value[0]), float(low), float(high))


@dataclass(frozen=True)
class Comparison:
    """Two methods at the levels that count for both.

    Attributes:
        level_L: The levels.
        band: The band of the first's Pass@256 minus the second's; None where no level counts.
    """

    level_L: list[float]
    band: Band | None

    @classmethod
    def of(cls, method: Frontier, other: Frontier) -> "Comparison":
        """Compare two methods, paired by seed and problem."""
        level_L = [level for level in method.levels if level in other.levels]
        pairs = [(method.at(level), other.at(level)) for level in level_L]
        value_LSP = [mine - its for mine, its in pairs if mine is not None and its is not None]
        return cls(level_L, simultaneous(np.stack(value_LSP)) if value_LSP else None)

    @property
    def sign_L(self) -> list[int]:
        """The sign of each level's interval; 0 where the interval holds 0."""
        intervals = self.band.intervals if self.band else []
        return [(interval.low > 0) - (interval.high < 0) for interval in intervals]

    @property
    def data_needed(self) -> float | None:
        """How many times as many seeds and problems would put the band beside 0 at the highest level that counts."""
        return data_needed(self.band.intervals[-1]) if self.band else None

    def decision(self, sign: int) -> Decision:
        """Whether the first is on the claimed side of the second; see predictions.md."""
        if sum(one == sign for one in self.sign_L) > len(self.sign_L) / 2 and -sign not in self.sign_L:
            return "supported"
        if sum(one == -sign for one in self.sign_L) > len(self.sign_L) / 2 and sign not in self.sign_L:
            return "refuted"
        return "undecided"

    def same(self, width: float = np.inf) -> Decision:
        """Whether the methods differ at no level. The half-width of every interval must be below `width`."""
        if self.band is None:
            return "undecided"
        if any(self.sign_L):
            return "refuted"
        half_L = [(interval.high - interval.low) / 2 for interval in self.band.intervals]
        return "supported" if max(half_L) < width else "undecided"


def frontiers(
    study: Study, done: Sequence[Run], since: bool = False, measure: Measure = pass_many
) -> dict[str, Frontier]:
    """The frontiers of the methods whose best rates have all their fresh seeds; see `Frontier.read`."""
    first = {run.method for run in done if run.seed == CHOOSING}
    found = {method: Frontier.read(study, method, done, since, measure) for method in study.methods if method in first}
    return {method: frontier for method, frontier in found.items() if frontier is not None}


def clock(done: Sequence[Run], method: str = "grpo") -> list[tuple[float, float, float]]:
    """P4: neighbouring learning rates of a method with the choosing seed, and the largest distance of their paths."""
    ways = {run.rate: Way.of(read(run)) for run in done if run.method == method and run.seed == CHOOSING}
    found = []
    for low, high in pairwise(sorted(ways)):
        reach_2L = [reach(way.one_T, way.many_TP.mean(axis=1)) for way in (ways[low], ways[high])]
        both_L = ~np.isnan(reach_2L[0]) & ~np.isnan(reach_2L[1]) & (ways[low].one_T[0] + GAIN <= LEVELS)
        if both_L.any():
            found.append((low, high, float(np.abs(reach_2L[0] - reach_2L[1])[both_L].max())))
    return found
