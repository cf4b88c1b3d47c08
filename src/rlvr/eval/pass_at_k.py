"""Pass@k without bias."""

import torch
from torch import Tensor


def pass_at_k(correct_P: Tensor, n: int, k: int) -> Tensor:
    """Chance that at least one of k samples is right, estimated for each problem from n samples.

    1 - C(n-c, k) / C(n, k) = 1 - prod_{i=n-c+1..n} (1 - k/i), in float64, stable at any n.
    Source: arXiv 2107.03374, Eq. 1.

    Args:
        correct_P: c, right answers among n samples, a problem each.
        n: Samples a problem.
        k: Tries; at most n.

    Returns:
        Pass@k of each problem, between 0 and 1.

    Raises:
        ValueError: When k is not in 1..n or a count not in 0..n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"Pass@k needs 1 <= k <= n, and k is {k} with n = {n} samples a problem.")
    if bool(((correct_P < 0) | (correct_P > n)).any()):
        raise ValueError(f"Pass@k needs counts of right answers between 0 and n = {n}.")
    i_N = torch.arange(1, n + 1, dtype=torch.float64, device=correct_P.device)
    # The product runs over the last c of the factors 1..n: the others are taken as 1. A factor 1 - k/i with
    # i < k is negative, but then the factor at i = k, which is 0, is in the product too.
    taken_PN = i_N[None, :] > (n - correct_P.to(torch.float64))[:, None]
    factor_PN = torch.where(taken_PN, (1 - k / i_N)[None, :], 1.0)
    return 1 - factor_PN.prod(dim=1).clamp(min=0.0)


def powers_of_two(n: int) -> list[int]:
    """1, 2, 4, ... up to n."""
    return [2**exponent for exponent in range(n.bit_length())]
