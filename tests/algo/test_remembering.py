"""Filters with a memory: worked out by hand, by quadrature, and across a stored state."""

import json
import random
from typing import Literal

import pytest
import torch

from rlvr.algo import BBG, BBGPosterior, Filter, RetireSolved
from rlvr.algo.filters import expected_gain, marginal_gain
from rlvr.algo.profile import remembers
from rlvr.types import Problem

POOL = [Problem(name, "", (), "") for name in "abc"]


def asked(chosen: Filter) -> str:
    """Whose turn is not missed, of all."""
    return "".join(problem.id for problem in chosen.before(POOL, lambda given: [True] * len(given)))


def counts(*successes: int) -> torch.Tensor:
    return torch.tensor(successes)


def test_the_gain_under_any_counts():
    """E[k (1-p)^(k-1)] under Beta(1+s, 1+f), by quadrature with the density written out."""
    p = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    for s, f, k in [(0.0, 0.0, 4), (1.5, 6.25, 16), (7.75, 0.5, 3), (0.1, 12.0, 64)]:
        density = p**s * (1 - p) ** f
        naive = float((k * (1 - p) ** (k - 1) * density).sum() / density.sum())
        found = expected_gain(torch.tensor([s]).double(), torch.tensor([f]).double(), k)
        assert float(found) == pytest.approx(naive, rel=1e-5)


def test_a_posterior_by_hand():
    """N = 1, k = 2: the gain is 2 (1+f) / (2+s+f), that of one right rollout 2/3.

    Right: s, f = 1, 0: 2/3. Then wrong, the first counting half: .5, 1: 8/7. Then right: 1.25, .5: 4/5.
    """
    chosen = BBGPosterior(k=2, tau=0.0, weighting="share_uncapped", discount=0.5)
    weights = [float(chosen.weigh(["a"], counts(m), 1)) for m in (1, 0, 1)]
    assert weights == pytest.approx([1, 12 / 7, 6 / 5])
    assert chosen.counts == {"a": (1.25, 0.5)}
    assert chosen.weigh(["b", "a"], counts(0, 1), 1).tolist() == pytest.approx([2, 3 * (1 + 0.25) / (2 + 1.625 + 0.25)])


def test_a_problem_that_was_often_solved_does_not_pass_at_once():
    """N = 8, k = 16: m = 3 passes BBG's gate, and not after two groups of 8 right ones; a new problem passes."""
    chosen = BBGPosterior(discount=0.5)
    for _ in range(2):
        assert chosen.weigh(["old"], counts(8), 8).tolist() == [0]
    assert chosen.weigh(["old", "new"], counts(3, 3), 8).tolist() == [0, 1]


@pytest.mark.parametrize("weighting", ["gate", "share", "share_uncapped"])
@pytest.mark.parametrize("seed", range(5))
def test_without_discount_it_is_bbg(seed: int, weighting: Literal["gate", "share", "share_uncapped"]):
    """To the bit, whatever came before."""
    draw = random.Random(seed)
    n, k, tau = draw.randint(1, 16), draw.randint(1, 64), draw.choice([0, 0.01, 0.1])
    plain, chosen = BBG(k=k, tau=tau, weighting=weighting), BBGPosterior(k=k, tau=tau, weighting=weighting, discount=0)
    for _ in range(20):
        names = draw.sample("abcdefgh", draw.randint(0, 8))
        success_P = torch.tensor([draw.randint(0, n) for _ in names], dtype=torch.int64)
        assert torch.equal(chosen.weigh(names, success_P, n), plain.weigh(names, success_P, n))


def test_the_first_sight_of_a_posterior_is_bbgs():
    """Of which f(p) is shown."""
    success_P = torch.arange(9)
    found = BBGPosterior(weighting="share").weigh(list("abcdefghi"), success_P, 8)
    assert torch.equal(found, BBG(weighting="share").after(success_P, 8))
    assert torch.equal(BBGPosterior(weighting="share").after(success_P, 8), found)
    assert [remembers(each) for each in (BBG(), BBGPosterior(), RetireSolved(), Filter())] == [False, True, True, False]


def test_shares_capped_and_not():
    """U(0)/u(1) = 6 / 2.087 = 2.875 at n = 8, k = 16; the others are as they are."""
    success_P = torch.arange(9)
    uncapped_P = BBG(weighting="share_uncapped").after(success_P, 8)
    assert uncapped_P[0] == pytest.approx(2.875, abs=1e-3)
    assert torch.equal(BBG(weighting="share").after(success_P, 8), uncapped_P.clamp(max=1))
    gain_P = marginal_gain(success_P, 8, 16)
    assert uncapped_P[2] == pytest.approx(float(gain_P[2] / gain_P[1]))


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_solved_problem_misses_its_turns(epochs: int):
    """So many of its own and no more, whatever happens to the others; then it must be solved again."""
    chosen = RetireSolved(epochs=epochs)
    assert asked(chosen) == "abc"
    assert chosen.weigh(["a", "b", "c"], counts(4, 3, 0), 4).tolist() == [1, 1, 1]
    assert [asked(chosen) for _ in range(epochs)] == ["bc"] * epochs
    assert asked(chosen) == "abc"
    assert asked(chosen) == "abc"
    chosen.weigh(["a"], counts(4), 4)
    assert asked(chosen) == "bc"


@pytest.mark.parametrize("fresh", [lambda: RetireSolved(epochs=3), lambda: BBGPosterior(discount=0.3)], ids=["r", "b"])
def test_a_stored_memory(fresh):
    """Through JSON, to the bit; what is stored does not change afterwards, and loading forgets everything else."""
    chosen, other = fresh(), fresh()
    chosen.weigh(["a", "b"], counts(4, 1), 4)
    stored = json.dumps(chosen.state_dict())
    kept = chosen.state_dict()
    other.weigh(["c"], counts(4), 4)
    other.load_state_dict(json.loads(stored))
    for memory in (chosen, other):
        memory.before(POOL, lambda given: [True] * len(given))
        memory.weigh(["c", "a"], counts(4, 2), 4)
    assert other.state_dict() == chosen.state_dict() != json.loads(stored) == kept
    other.load_state_dict({})  # of another filter's run
    assert other.state_dict() == fresh().state_dict()


def test_memories_are_no_settings():
    """Two filters with the same settings are equal, and share nothing."""
    one, two = RetireSolved(), RetireSolved()
    one.weigh(["a"], counts(4), 4)
    assert one == two
    assert two.left == {}
    assert Filter().state_dict() == {}
