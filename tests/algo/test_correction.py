"""Truncated importance sampling between trainer and engine: golden values, gradient, unbiasedness."""

import math

import pytest
import torch

from rlvr.algo import Correction, Tokens

LOGP = torch.log(torch.tensor([[0.5, 0.4, 0.9], [0.3, 0.1, 0.7]]))
ENGINE = torch.log(torch.tensor([[0.25, 0.5, 0.1], [0.1, 0.2, 0.9]]))
MASK = torch.tensor([[1, 1, 0], [1, 1, 0]])  # the last column is padding


def tokens(old_BT: torch.Tensor, engine_BT: torch.Tensor, mask_BT: torch.Tensor) -> Tokens:
    """Only what the correction looks at."""
    nothing = torch.zeros_like(old_BT)
    return Tokens(nothing, nothing, old_BT, engine_BT, nothing, nothing, nothing, mask_BT)


def metrics_of(correction: Correction, sums: dict[str, torch.Tensor], mask_BT: torch.Tensor) -> dict[str, float]:
    """With the number of tokens, which the objective counts."""
    return correction.metrics({name: float(value) for name, value in (sums | {"tokens": mask_BT.sum()}).items()})


# By hand, ratios: 2, 0.8 | 3, 0.5; products: 1.6 | 1.5.


@pytest.mark.parametrize(
    ("level", "cap", "beyond", "weights"),
    [
        ("token", 2.0, "truncate", [[2.0, 0.8], [2.0, 0.5]]),
        ("token", 2.0, "mask", [[2.0, 0.8], [0.0, 0.5]]),
        ("sequence", 1.55, "truncate", [[1.55, 1.55], [1.5, 1.5]]),
        ("sequence", 1.55, "mask", [[0.0, 0.0], [1.5, 1.5]]),
    ],
)
def test_golden(level, cap, beyond, weights):
    """Four variants on four tokens."""
    weight_BT, _ = Correction(level, cap, beyond)(tokens(LOGP, ENGINE, MASK))
    torch.testing.assert_close(weight_BT[:, :2], torch.tensor(weights))


def test_metrics_by_hand():
    """Mean ratio (2 + .8 + 3 + .5) / 4, one token of four above 2, effective share 5.3^2 / (4 * 8.89)."""
    correction = Correction("token", 2.0, "truncate")
    _, sums = correction(tokens(LOGP, ENGINE, MASK))
    metrics = metrics_of(correction, sums, MASK)
    assert metrics["correction/ratio"] == pytest.approx(6.3 / 4, rel=1e-6)
    assert metrics["correction/clipped_share"] == pytest.approx(0.25)
    assert metrics["correction/effective_share"] == pytest.approx(5.3**2 / (4 * 8.89), rel=1e-6)
    twice = {name: value + value for name, value in sums.items()}
    assert metrics_of(correction, twice, torch.cat([MASK, MASK])) == pytest.approx(metrics)


def test_no_gradient_flows_through_the_weights():
    """They belong to the past."""
    logp = LOGP.clone().requires_grad_()
    weight_BT, _ = Correction("token", 2.0, "truncate")(tokens(logp, ENGINE, MASK))
    assert not weight_BT.requires_grad


def test_equal_policies_weigh_one():
    """Nothing changes for an exact engine."""
    correction = Correction("token", 2.0, "truncate")
    weight_BT, sums = correction(tokens(LOGP, LOGP, MASK))
    assert torch.equal(weight_BT, torch.ones_like(LOGP))
    expected = {"correction/ratio": 1, "correction/clipped_share": 0, "correction/effective_share": 1}
    assert metrics_of(correction, sums, MASK) == expected


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_untruncated_weights_are_unbiased(level):
    """Sum over all sequences of mu * w * f = sum of pi * f, with two independent tokens of two values each."""
    pi, mu = torch.tensor([0.8, 0.2]), torch.tensor([0.6, 0.4])
    f = {(0, 0): 1.0, (0, 1): -2.0, (1, 0): 0.5, (1, 1): 3.0}
    correct, weighted = 0.0, 0.0
    for (a, b), value in f.items():
        logp = torch.log(torch.stack([pi[a], pi[b]]))[None]
        engine = torch.log(torch.stack([mu[a], mu[b]]))[None]
        weight_BT, _ = Correction(level, math.inf, "truncate")(tokens(logp, engine, torch.ones(1, 2)))
        if level == "sequence":
            correct += float(pi[a] * pi[b]) * value
            weighted += float(mu[a] * mu[b] * weight_BT[0, 0]) * value
        else:  # a token's weight makes the estimate of that token's own distribution unbiased
            correct += float(pi[a] * mu[b]) * value
            weighted += float(mu[a] * mu[b] * weight_BT[0, 0]) * value
    assert weighted == pytest.approx(correct, rel=1e-6)


def test_no_tokens_at_all():
    """A rank may have none in a micro-batch."""
    correction, nothing = Correction("sequence", 2.0, "truncate"), torch.zeros(1, 1)
    _, sums = correction(tokens(nothing, nothing, nothing))
    assert metrics_of(correction, sums, nothing) == dict.fromkeys(
        ["correction/ratio", "correction/clipped_share", "correction/effective_share"], 0
    )
