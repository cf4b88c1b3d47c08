"""Pass@k as a torchmetrics Metric; apart from the function, since torchmetrics takes long to import."""

from collections.abc import Sequence

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from rlvr.eval.pass_at_k import pass_at_k, powers_of_two


class PassAtK(Metric):
    """Pass@k over problems, for several k at once; each problem has the same n.

    Args:
        n: Samples a problem.
        ks: The k; powers of two up to n when not given.
    """

    correct: list[Tensor]
    full_state_update = False

    def __init__(self, n: int, ks: Sequence[int] | None = None) -> None:
        super().__init__()
        self.n = n
        self.ks = list(ks) if ks is not None else powers_of_two(n)
        if bad := [k for k in self.ks if not 1 <= k <= n]:
            raise ValueError(f"Pass@k needs 1 <= k <= n = {n} samples a problem, and k is {bad[0]}.")
        self.add_state("correct", default=[], dist_reduce_fx="cat")

    def update(self, correct_PN: Tensor) -> None:
        """Add problems by their graded samples, [P, n], 1 for right."""
        if correct_PN.ndim != 2 or correct_PN.shape[1] != self.n:
            raise ValueError(f"Expected graded samples of shape [problems, {self.n}], got {list(correct_PN.shape)}.")
        self.correct.append(correct_PN.sum(dim=1))

    def compute(self) -> dict[str, Tensor]:
        """Mean over problems, by `pass@k`."""
        correct_P = dim_zero_cat(self.correct)
        return {f"pass@{k}": pass_at_k(correct_P, self.n, k).mean() for k in self.ks}
