"""Filters against the check values of their papers."""

import pytest
import torch

from rlvr.algo import BBG, SELF, Dynamic, Filter, MaskEasy, RateWeight, ZeroSuccess
from rlvr.algo.filters import marginal_gain
from rlvr.types import Problem

SUCCESSES = torch.arange(9.0)


def problems(count: int) -> list[Problem]:
    return [Problem(str(index), "", (), "") for index in range(count)]


def test_marginal_gain_check_values():
    """ArXiv 2606.15455, Table 4: u(0; 8, 16) = 6.0 and u(1; 8, 16) = 2.087; u sums to n + 1 = 9 over m."""
    gain_M = marginal_gain(SUCCESSES, n=8, k=16)
    assert gain_M[0] == pytest.approx(6.0)
    assert gain_M[1] == pytest.approx(2.087, abs=1e-3)
    assert gain_M.sum() == pytest.approx(9.0)
    shares = [0.6667, 0.2319, 0.0738, 0.0211, 0.0053, 0.0011, 1.8e-4, 2.2e-5, 1.4e-6]
    assert (gain_M / 9).tolist() == pytest.approx(shares, rel=0.05)


def test_marginal_gain_by_hand():
    """N = 1, k = 2: u(m) = 2 (1 - m + 1) / 3, so 4/3 and 2/3; k = 1: u = 1 whatever m."""
    assert marginal_gain(torch.tensor([0.0, 1.0]), n=1, k=2).tolist() == pytest.approx([4 / 3, 2 / 3])
    assert marginal_gain(SUCCESSES, n=8, k=1).tolist() == [1.0] * 9


@pytest.mark.parametrize(("k", "last"), [(8, 4), (16, 3), (32, 2), (64, 2), (256, 1)])
def test_bbg_keeps_what_the_paper_keeps(k: int, last: int):
    """N = 8, tau = 0.01: m = 0..last stay."""
    assert BBG(k=k).after(SUCCESSES, 8).tolist() == [float(m <= last) for m in range(9)]


def test_bbg_share_weights():
    """u(m)/u(1), at most 1: 1 for m = 0 and 1, u(2)/u(1) = .0738/.2319 for m = 2, 0 for gated problems."""
    weight_M = BBG(weighting="share").after(SUCCESSES, 8)
    assert weight_M[:2].tolist() == [1.0, 1.0]
    assert weight_M[2] == pytest.approx(0.0738 / 0.2319, rel=0.01)
    assert weight_M[4:].abs().max() == 0


def test_self_keeps_what_is_not_solved_greedily():
    """Problems 0, 2, 4 are solved at temperature 0: 1 and 3 stay, and all sampled ones keep weight 1."""
    kept = SELF().before(problems(5), lambda given: [int(problem.id) % 2 == 0 for problem in given])
    assert [problem.id for problem in kept] == ["1", "3"]
    assert SELF().after(SUCCESSES, 8).tolist() == [1.0] * 9


def test_the_others():
    """None keeps all; dynamic 0 < m < n; zero_success m = 0; mask_easy drops m >= 6 of 8."""
    assert [p.id for p in Filter().before(problems(2), lambda given: [True] * len(given))] == ["0", "1"]
    assert Filter().after(SUCCESSES, 8).tolist() == [1.0] * 9
    assert Dynamic().after(SUCCESSES, 8).tolist() == [float(0 < m < 8) for m in range(9)]
    assert ZeroSuccess().after(SUCCESSES, 8).tolist() == [float(m == 0) for m in range(9)]
    assert MaskEasy().after(SUCCESSES, 8).tolist() == [float(m < 6) for m in range(9)]


def test_rate_weights():
    """m/n, 1 - m/n, p (1-p) and sqrt(1-p) at m = 0..8 of 8; exponents of 0 weigh everything 1, at 0 and 8, too."""
    p_M = SUCCESSES / 8
    assert torch.equal(RateWeight(right=1, wrong=0).after(SUCCESSES, 8), p_M)
    assert torch.equal(RateWeight().after(SUCCESSES, 8), 1 - p_M)
    assert torch.equal(RateWeight(right=1, wrong=1).after(SUCCESSES, 8), p_M * (1 - p_M))
    assert RateWeight(wrong=0.5).after(SUCCESSES, 8)[6] == 0.5
    assert RateWeight(right=0, wrong=0).after(SUCCESSES, 8).tolist() == [1.0] * 9
