"""Which tokens are learned from: by hand, against loops, and what the denominator counts."""

from dataclasses import replace
from functools import partial
from math import ceil

import pytest
import torch

from rlvr.algo import HighEntropy, Loss, MaskTruncated, Objective, Outcomes, Tokens
from rlvr.algo.advantages import signed
from rlvr.algo.aggregation import constant_length, sequence_mean, token_mean
from rlvr.algo.surrogates import ppo_clip, reinforce
from tests.algo.test_objective import tokens

PPO = partial(ppo_clip, clip_low=0.2, clip_high=0.2)
HALF = HighEntropy("", 0.5)
LENGTH = torch.tensor([[4.0, 2.0], [3.0, 1.0]])
TRUNCATED = torch.tensor([[False, True], [True, True]])


def with_entropy(entropy_BT: torch.Tensor, mask_BT: torch.Tensor) -> Tokens:
    nothing = torch.zeros_like(entropy_BT)
    return Tokens(nothing, entropy_BT, nothing, nothing, nothing, nothing, nothing, mask_BT)


def test_high_entropy_by_hand():
    """Half of three tokens is two, whatever stands in padding; of equals the first; half of one is one."""
    entropy_BT = torch.tensor([[0.1, 0.3, 0.2, 9.0], [0.5, 0.5, 0.5, 0.5], [0.4, 9.0, 9.0, 9.0], [9.0] * 4])
    mask_BT = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    factor_BT, logged = HALF(with_entropy(entropy_BT, mask_BT))
    assert factor_BT.tolist() == [[0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert HALF.metrics({}) == logged == {}


def test_what_the_denominator_counts():
    """Half of 4, 2, 3, 1 tokens, rounded up; all of an answer that ended by itself. .07 of 100 tokens is 7."""
    assert HALF.retained(LENGTH, TRUNCATED).tolist() == [[2, 1], [2, 1]]
    assert MaskTruncated("").retained(LENGTH, TRUNCATED).tolist() == [[4, 0], [0, 0]]
    assert HighEntropy("", 0.07).retained(torch.tensor([100.0]), torch.tensor([False])) == 7
    assert HighEntropy("", 1.0).retained(LENGTH, TRUNCATED).tolist() == LENGTH.tolist()


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_value_and_gradient_equal_the_naive_formula(seed: int, share: float):
    """Row by row, sorted; down to the logits, in float64. The entropy itself has no gradient here."""
    logits_BTV = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ours, theirs = (logits_BTV.clone().requires_grad_() for _ in range(2))
    loss, _ = Objective(PPO, [HighEntropy("", share)])(tokens(ours, seed))
    given, expected = tokens(theirs, seed), torch.zeros((), dtype=torch.float64)
    for b in range(3):
        written = [t for t in range(4) if given.mask_BT[b, t]]
        written.sort(key=lambda t: -float(given.entropy_BT[b, t]))
        for t in written[: ceil(share * len(written))]:
            ratio, a = (given.logp_BT[b, t] - given.old_logp_BT[b, t]).exp(), given.advantage_BT[b, t]
            expected = expected + torch.max(-a * ratio, -a * ratio.clamp(0.8, 1.2)) * given.weight_BT[b, t]
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_step_may_be_cut_up_anyhow():
    """Each completion by itself, with less padding, keeps the same tokens."""
    given = tokens(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    whole, _ = HALF(given)
    for b, length in enumerate([4, 2, 1]):
        alone = {n: v[b : b + 1, :length] if isinstance(v, torch.Tensor) else v for n, v in vars(given).items()}
        assert torch.equal(HALF(Tokens(**alone))[0], whole[b : b + 1, :length])


def test_a_truncated_completion_teaches_nothing():
    """It stays in the group's statistics; without it nothing changes for the others. NSR-like: -1 for wrong ones."""
    right_PG = torch.tensor([[True, False, False]])
    given = Outcomes(right_PG.float(), right_PG, truncated_PG=torch.tensor([[False, True, False]]))
    both = {"positive": 1.0, "negative": 1.0}
    loss = Loss("", partial(signed, right=1.0, wrong=-1.0), both, PPO, partial(token_mean, over="live"))
    masked = replace(loss, token_weight=MaskTruncated(""))
    assert loss.advantages(given, torch.ones(1)).tolist() == [[1, -1, -1]]
    assert masked.advantages(given, torch.ones(1)).tolist() == [[1, 0, -1]]
    assert not masked.advantages(replace(given, truncated_PG=~right_PG | right_PG), torch.ones(1)).any()


@pytest.mark.parametrize(
    ("aggregation", "counted"),
    [(token_mean, 4), (sequence_mean, 1), (constant_length, 1)],
    ids=["token", "sequence", "constant"],
)
@pytest.mark.parametrize("over", ["live", "all"])
def test_completions_of_which_nothing_counts_are_in_no_denominator(aggregation, counted: int, over: str):
    """One of two completions, of 4 tokens, is left."""
    retained_PG = MaskTruncated("").retained(LENGTH[:1], TRUNCATED[:1])
    _, count = aggregation(torch.tensor([[1.0, 0.0]]), retained_PG, 10, over)
    assert count == counted


def test_mask_truncated_leaves_what_gets_there():
    """Where auxiliary terms bring a truncated completion, its advantage is 0 already: the loss is as without."""
    given = tokens(torch.zeros(3, 4, 5, dtype=torch.float64))
    masked, plain = (Objective(reinforce, weights)(given)[0] for weights in ([MaskTruncated("")], []))
    assert torch.equal(masked, plain)
    assert Objective(reinforce, [MaskTruncated("")]).metrics(
        {"tokens": torch.ones(()), "clipped": torch.zeros(()), "entropy": torch.ones(())}
    ) == {"train/clipped_share": 0, "train/entropy": 1}
