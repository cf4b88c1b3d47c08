"""The boundary ledger: which problems came within reach, which went out of it, and which of that may be chance.

Source: arXiv 2606.15455, App. C. C is the number of right answers among K samples of a problem.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

from rlvr.eval.evaluation import Evaluation

Kind = Literal["entry", "loss"]
LEVELS = (0.05, 0.01)


@dataclass(frozen=True)
class Change:
    """A problem that one of two policies solved and the other did not.

    Attributes:
        problem_id: The problem.
        kind: `entry`: C was 0 and is not any more; `loss`: C was above 0 and is 0.
        base: C of the base.
        now: C of the other.
        p: Chance that all of these successes fall on one given side when nothing has changed.
    """

    problem_id: str
    kind: Kind
    base: int
    now: int
    p: float


@dataclass(frozen=True)
class Ledger:
    """Base and another policy on the same problems.

    Attributes:
        n: K, samples a problem.
        base_coverage: Problems that the base solves at least once.
        coverage: Problems that the other solves at least once.
        changes: Entries and losses, the surest first.
    """

    n: int
    base_coverage: int
    coverage: int
    changes: tuple[Change, ...]

    def of(self, kind: Kind, level: float = 1.0) -> list[Change]:
        """Entries or losses with p below `level`; at 1 all of them."""
        return [change for change in self.changes if change.kind == kind and change.p < level]


def one_sided(c: int, n: int) -> float:
    """C(n, c) / C(2n, c): c successes among 2n equal samples, n a side, are all on one given side."""
    return comb(n, c) / comb(2 * n, c)


def ledger(base: Evaluation, now: Evaluation) -> Ledger:
    """Compare two evaluations of the same problems with as many samples.

    Raises:
        ValueError: When they are of other problems or another n.
    """
    if base.problem_ids != now.problem_ids or base.n != now.n:
        raise ValueError("A ledger needs two evaluations of the same problems with equally many samples.")
    changes = [
        Change(problem, "entry" if now_c else "loss", base_c, now_c, one_sided(base_c + now_c, base.n))
        for problem, base_c, now_c in zip(base.problem_ids, base.correct, now.correct, strict=True)
        if (base_c == 0) != (now_c == 0)
    ]
    surest = sorted(changes, key=lambda change: (change.p, change.problem_id))
    return Ledger(base.n, _solved(base.correct), _solved(now.correct), tuple(surest))


def _solved(correct_P: Sequence[int]) -> int:
    return sum(c > 0 for c in correct_P)
