"""Decides on the claims made before `make reproduce`: `python studies/hypotheses.py logs/multiruns/reproduce`.

docs/results/hypotheses.md says what is claimed and how it is decided. This prints each decision on all seeds, and on
those whose results had not been seen before.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rlvr.console import console
from rlvr.eval import Interval
from rlvr.eval.bootstrap import FloatArray, bootstrap_mean, draws
from rlvr.report.paths import RunPath, first_at
from rlvr.report.pool import Method
from rlvr.report.study import Study
from rlvr.report.tables import with_interval
from rlvr.tables import Grid

Decision = Literal["supported", "refuted", "undecided"]
SEEN = 0  # seed of the earlier run
LEVELS = 21  # levels of Pass@1, for H5
LAST_STEPS = 100  # steps over which the entropy is averaged, for H6
STUDENT = {2: 12.706, 3: 4.303}  # 97.5 % quantiles of Student's t, by the number of seeds
HEAD = ["", "statistic", "claimed", "estimate [95 % interval]", "by seed", "decision", f"without seed {SEEN}"]


@dataclass(frozen=True)
class Estimate:
    """A statistic with its interval, and its value for each seed."""

    interval: Interval
    value_S: FloatArray

    def decision(self, sign: int) -> Decision:
        """Whether interval and seeds all lie on the claimed side of 0 (above it for sign 1), or all on the other."""
        low, high = sorted((sign * self.interval.low, sign * self.interval.high))
        if low > 0 and (sign * self.value_S > 0).all():
            return "supported"
        return "refuted" if high < 0 and (sign * self.value_S < 0).all() else "undecided"


def data_needed(interval: Interval) -> float:
    """How many times as much data would put an interval beside 0.

    It assumes that the difference is the estimated one, and that intervals shrink with the root of the data.
    """
    nearest = interval.low if interval.mean > 0 else interval.high
    return (nearest / interval.mean - 1) ** 2 if interval.mean else np.inf


Statistic = Callable[[list[int]], Estimate]
"""Computes the estimate of some seeds, which are given by their indices."""


@dataclass(frozen=True)
class Claim:
    """The claim that a statistic lies above 0 (sign 1) or below 0 (sign -1). One that is only shown has sign 0.

    Attributes:
        name: Name of the hypothesis.
        text: Name of the statistic.
        sign: See above.
        found: The estimate on all seeds.
        unseen: The estimate without the seed that had been seen.
        scale: 100 where the statistic is shown in percent.
    """

    name: str
    text: str
    sign: int
    found: Estimate
    unseen: Estimate
    scale: int = 100

    def row(self) -> list[str]:
        """Its row of the table."""
        shown = [f"{self.scale * value:+.{1 if self.scale == 100 else 3}f}" for value in self.found.value_S]
        told = [estimate.decision(self.sign) if self.sign else "" for estimate in (self.found, self.unseen)]
        side = {1: "> 0", -1: "< 0", 0: ""}[self.sign]
        return [self.name, self.text, side, _with_interval(self.found.interval, self.scale), ", ".join(shown), *told]


def difference(method: Method, other: Method | None, k: int) -> Statistic:
    """`d_k`: Pass@k on the held-out problems after the last step, minus another method's or the base's."""
    value_SP = method.trained_SP(k) - (other.trained_SP(k) if other else method.base_SP(k))
    return lambda chosen: Estimate(bootstrap_mean(value_SP[chosen]), value_SP[chosen].mean(axis=1))


def equal_gain(method: Sequence[RunPath], grpo: Sequence[RunPath], n: int) -> Statistic:
    """`e(M)`: Pass@n at equal Pass@1 along the paths, the method's minus GRPO's."""

    def found(chosen: list[int]) -> Estimate:
        pairs = [(method[index], grpo[index]) for index in chosen]
        seed_RS, problem_RP = draws(len(pairs), pairs[0][0].pass_KTP[1].shape[1])
        drawn_RS = np.stack([gains(*pair, n, problem_RP) for pair in pairs], axis=1)
        value_S = np.array([gains(*pair, n, np.ones((1, problem_RP.shape[1])))[0] for pair in pairs])
        low, high = np.percentile((seed_RS * drawn_RS).sum(axis=1) / len(pairs), [2.5, 97.5])
        return Estimate(Interval(float(value_S.mean()), float(low), float(high)), value_S)

    return found


def gains(method: RunPath, grpo: RunPath, n: int, weight_RP: FloatArray) -> FloatArray:
    """For each of R weightings of the problems, the mean over levels of Pass@1 of the difference in Pass@n.

    The highest level is the highest Pass@1 that both paths reach; the lowest is halfway between it and the base's.
    """
    mine, its = (
        [weight_RP @ path.pass_KTP[k].T / weight_RP.shape[1] for k in (1, n)] for path in (method, grpo)
    )  # [R, T]
    found = []
    for one_T, many_T, its_one_T, its_many_T in zip(*mine, *its, strict=True):
        top = min(one_T.max(), its_one_T.max())
        level_L = np.linspace((one_T[0] + top) / 2, top, LEVELS)
        found.append(np.mean(read_off(one_T, many_T, level_L) - read_off(its_one_T, its_many_T, level_L)))
    return np.array(found)


def read_off(one_T: FloatArray, many_T: FloatArray, level_L: FloatArray) -> FloatArray:
    """Pass@n where Pass@1 first reaches each level."""
    places = [first_at(one_T, level) for level in level_L]
    return np.array([place.of(many_T) for place in places if place is not None])  # the highest level is reached, too


def entropy(method: Method, other: Method) -> Statistic:
    """Difference of the mean entropy over the last steps, nats a token, with Student's interval over seeds."""
    ours_S, theirs_S = (
        np.array([np.mean([row["rollout/entropy"] for row in run.metrics[-LAST_STEPS:]]) for run in of.runs])
        for of in (method, other)
    )

    def found(chosen: list[int]) -> Estimate:
        value_S = (ours_S - theirs_S)[chosen]
        mean, half = float(value_S.mean()), float(STUDENT[len(chosen)] * value_S.std(ddof=1) / len(chosen) ** 0.5)
        return Estimate(Interval(mean, mean - half, mean + half), value_S)

    return found


def claims(study: Study) -> list[Claim]:
    """All hypotheses for which the study has the methods, and the statistics that are only shown."""
    by_label = {method.label: method for method in study.methods["heldout"]}
    grpo = by_label["GRPO"]
    n, seeds = grpo.n, grpo.seeds
    paths = {label: [RunPath.of(run, "heldout", [1, n]) for run in method.runs] for label, method in by_label.items()}

    def claim(name: str, text: str, sign: int, statistic: Statistic, scale: int = 100) -> Claim:
        unseen = [place for place, seed in enumerate(seeds) if seed != SEEN]
        return Claim(name, text, sign, statistic(list(range(len(seeds)))), statistic(unseen), scale)

    def minus(name: str, label: str, k: int, sign: int, other: str = "GRPO") -> Claim:
        return claim(name, f"d_{k}({label}, {other})", sign, difference(by_label[label], by_label.get(other), k))

    found = [minus("H1", "GRPO", 1, 1, "base"), minus("H1", "GRPO", 16, -1, "base")]
    three = [(name, label) for name, label in (("H2", "SELF"), ("H3", "BBG"), ("H4", "NSR")) if label in by_label]
    for name, label in three:
        found += [minus(name, label, n, 1), minus("", label, 64, 0)]
    for _, label in three:
        found.append(claim("H5", f"e({label})", 1, equal_gain(paths[label], paths["GRPO"], n)))
    if "GRPO-N" in by_label:
        text = "entropy(GRPO-N) - entropy(GRPO), nats"
        found += [claim("H6", text, 1, entropy(by_label["GRPO-N"], grpo), scale=1), minus("", "GRPO-N", n, 0)]
    if "W-REINFORCE" in by_label and "BBG" in by_label:
        found.append(minus("", "BBG", n, 0, "W-REINFORCE"))
    for other in by_label:  # GRPO with another setting, a test of what fails
        if other.startswith("GRPO, "):
            found += [minus("", label, k, 0, other) for _, label in three for k in (1, n)]
    return found


def _with_interval(interval: Interval, scale: int) -> str:
    if scale == 100:
        return with_interval(interval, signed=True)
    return f"{interval.mean:+.3f}{'*' * interval.excludes_zero} [{interval.low:.3f}, {interval.high:.3f}]"


def main() -> None:
    """Read the study, decide, and print the table, then the same table as Markdown for the page."""
    grid = Grid(
        "Hypotheses", HEAD, [claim.row() for claim in claims(Study.read([Path(name) for name in sys.argv[1:]]))]
    )
    console.print(grid.rich())
    print(grid.markdown())


if __name__ == "__main__":
    main()
