"""The boundary's estimators as torchmetrics Metrics, for any training loop: `from rlvr.metrics import PassAtK`.

Every one of them is a mean over problems of a value that depends on nothing but a problem's number of right answers. So
the state is how many problems had 0, 1, .. n of them: whole numbers that add up, whatever the order, over updates and
over processes, also where one of these has no problem at all. The result is the same to the last bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.estimators import cover, g_pass, log_coverage
from rlvr.eval.pass_at_k import pass_by_count, powers_of_two

__all__ = ["CoverAt", "Coverage", "GPassAtK", "PassAtK"]


class _OverProblems(Metric, ABC):
    """Means over problems, each with the same n.

    Args:
        n: Samples a problem.
        values: By name, a problem's value with c = 0 .. n right answers, [n+1].
    """

    problems_C: Tensor
    full_state_update = False

    def __init__(self, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"{type(self).__name__} needs at least one sample a problem, and n is {n}.")
        self.n = n
        self.add_state("problems_C", torch.zeros(n + 1, dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def values(self) -> Mapping[str, FloatArray]:
        """By name, a problem's value with c = 0 .. n right answers, [n+1]."""

    def update(self, correct_PN: Tensor) -> None:
        """Add problems, each once in all processes together.

        Args:
            correct_PN: Graded samples, [problems, n], 1 or true for right.
        """
        if correct_PN.ndim != 2 or correct_PN.shape[1] != self.n:
            raise ValueError(f"Expected graded samples of shape [problems, {self.n}], got {list(correct_PN.shape)}.")
        if not bool(((correct_PN == 0) | (correct_PN == 1)).all()):
            raise ValueError("Expected graded samples that are 0 or 1, and got something between or beside.")
        self.problems_C += torch.bincount(correct_PN.to(torch.int64).sum(dim=1), minlength=self.n + 1)

    def compute(self) -> dict[str, Tensor]:
        """Mean over problems by name, float64; not a number while there is no problem."""
        count_C = self.problems_C.to(torch.float64)
        return {
            name: (torch.tensor(value_C, device=count_C.device) @ count_C) / count_C.sum()
            for name, value_C in self.values().items()
        }


class PassAtK(_OverProblems):
    """Pass@k (arXiv 2107.03374): `pass@k`, the chance that at least one of k samples is right.

    Args:
        n: Samples a problem.
        ks: The k; powers of two up to n when not given.
    """

    def __init__(self, n: int, ks: Sequence[int] | None = None) -> None:
        super().__init__(n)
        self.ks = _within(n, powers_of_two(n) if ks is None else ks)

    def values(self) -> Mapping[str, FloatArray]:
        """By name, a problem's value with c = 0 .. n right answers, [n+1]."""
        return {f"pass@{k}": pass_by_count(self.n, k) for k in self.ks}


class Coverage(_OverProblems):
    """`coverage`, the share of problems with a right answer among n, and `log_coverage`, which weighs every k.

    The latter is H_n - H_c in nats, the sum over k of (1 - Pass@k) / k; less is better.

    Args:
        n: Samples a problem.
    """

    def values(self) -> Mapping[str, FloatArray]:
        """By name, a problem's value with c = 0 .. n right answers, [n+1]."""
        return {"coverage": pass_by_count(self.n, self.n), "log_coverage": log_coverage(self.n)}


class CoverAt(_OverProblems):
    """Cover@tau (arXiv 2510.08325): `cover@tau`, the share of problems whose success rate is above tau.

    Args:
        n: Samples a problem; below a few times 1/n, tau asks for what the uniform prior says.
        taus: The tau, between 0 and 1.
    """

    def __init__(self, n: int, taus: Sequence[float] = (0.5, 0.1, 0.01)) -> None:
        super().__init__(n)
        if bad := [tau for tau in taus if not 0 < tau < 1]:
            raise ValueError(f"Cover@tau needs tau between 0 and 1, and it is {bad[0]}.")
        self.taus = list(taus)

    def values(self) -> Mapping[str, FloatArray]:
        """By name, a problem's value with c = 0 .. n right answers, [n+1]."""
        return {f"cover@{tau:g}": cover(self.n, tau) for tau in self.taus}


class GPassAtK(_OverProblems):
    """G-Pass@k (arXiv 2412.13147): `g_pass@k`, the chance that at least tau k of k samples are right.

    Args:
        n: Samples a problem.
        ks: The k; powers of two up to n when not given.
        tau: Share of the k samples, between 0 and 1.
    """

    def __init__(self, n: int, ks: Sequence[int] | None = None, tau: float = 0.5) -> None:
        super().__init__(n)
        if not 0 < tau <= 1:
            raise ValueError(f"G-Pass@k needs tau above 0 and at most 1, and it is {tau}.")
        self.ks = _within(n, powers_of_two(n) if ks is None else ks)
        self.tau = tau

    def values(self) -> Mapping[str, FloatArray]:
        """By name, a problem's value with c = 0 .. n right answers, [n+1]."""
        return {f"g_pass@{k}": g_pass(self.n, k, self.tau) for k in self.ks}


def _within(n: int, ks: Sequence[int]) -> list[int]:
    """The k, none of which may be larger than n."""
    if bad := [k for k in ks if not 1 <= k <= n]:
        raise ValueError(f"This needs 1 <= k <= n = {n} samples a problem, and k is {bad[0]}.")
    return list(ks)
