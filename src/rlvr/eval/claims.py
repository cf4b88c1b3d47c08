"""Which entries and losses of a ledger are claimed, given that many problems were tested."""

from dataclasses import dataclass

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.evaluation import Evaluation
from rlvr.eval.ledger import Change, Kind, ledger, one_sided
from rlvr.eval.multiple import LEVEL, false_discovery, surely

KINDS: tuple[Kind, ...] = ("loss", "entry")


@dataclass(frozen=True)
class Claims:
    """Base and another policy on P problems.

    Attributes:
        n: Samples a problem.
        problems: P.
        found: Every loss and every entry, the surest first, each with its adjusted p among the P tests of its kind.
    """

    n: int
    problems: int
    found: tuple[tuple[Change, float], ...]

    def of(self, kind: Kind) -> list[Change]:
        """Those claimed: on average at most one in twenty has a rate that did not move that way."""
        return [change for change, adjusted in self.found if change.kind == kind and adjusted <= LEVEL]

    def surely(self, kind: Kind) -> int:
        """How many of those claimed have moved that way, at least, with 95 % confidence (Holm)."""
        return surely(_chances([change for change, _ in self.found if change.kind == kind]), self.problems)


def claims(base: Evaluation, now: Evaluation) -> Claims:
    """Test every problem for a loss and for an entry, and control the false discovery rate of each kind over problems.

    The test of a loss is Fisher's exact one, which a problem that is still solved does not take (p = 1); so is that of
    an entry. Its hypothesis: the success rate did not fall (rise). Sources: `rlvr.eval.ledger`, `false_discovery`.
    Assumes that samples are independent, of problems and of policies; nothing of how problems were chosen.

    Raises:
        ValueError: When they are of other problems or another n.
    """
    changes, problems = ledger(base, now).changes, len(base.problem_ids)
    found: list[tuple[Change, float]] = []
    for kind in KINDS:
        those = [change for change in changes if change.kind == kind]
        found += zip(those, false_discovery(_chances(those), problems).tolist(), strict=True)
    return Claims(base.n, problems, tuple(sorted(found, key=lambda each: (each[0].p, each[0].problem_id))))


def least(found: Claims) -> int:
    """The fewest right answers of the base from which on one more lost problem would have been a claim; n + 1 where
    not even n of n would be enough."""
    lost_N = _chances([change for change, _ in found.found if change.kind == "loss"])

    def claimed(count: int) -> bool:
        chance_N = np.append(lost_N, one_sided(count, found.n))
        return bool(false_discovery(chance_N, found.problems)[-1] <= LEVEL)

    return next((count for count in range(1, found.n + 1) if claimed(count)), found.n + 1)


def _chances(changes: list[Change]) -> FloatArray:
    return np.array([change.p for change in changes], dtype=np.float64)
