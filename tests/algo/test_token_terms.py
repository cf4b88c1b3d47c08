"""Terms that choose tokens or ask for more than entropy, by hand."""

from dataclasses import replace
from functools import partial
from math import log

import pytest
import torch

from rlvr.algo import SIREN, ClipCov, EntropyBonus, KLCov, LpReg, MinPLogp, NucleusEntropy, Objective, Tokens
from rlvr.algo.choices import least, part
from rlvr.algo.surrogates import ppo_clip, unclipped

PPO = partial(ppo_clip, clip_low=0.2, clip_high=0.2)
CLIP_COV = ClipCov("clip_cov", 0.5, low=0.5, high=3.0)
KL_COV = KLCov(2.0, 0.5)
LP_REG = LpReg(0.5, 0.3, min_p=0.1)
NUCLEUS, PROXY = NucleusEntropy(0.8), MinPLogp(0.1)
# Means .5 and -1.5.
ADVANTAGE, LOGP = torch.tensor([1.0, 1, 0, 1, -0.5]), torch.tensor([0.0, -3, -3, -1.5, 0])


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def row(logp: list[float], **more) -> Tokens:
    """One completion of tokens that the policy wrote, on-policy where `more` says nothing else."""
    logp_BT = torch.tensor([logp], dtype=torch.float64).requires_grad_()
    zero, one = torch.zeros_like(logp_BT).detach(), torch.ones_like(logp_BT).detach()
    return replace(Tokens(logp_BT, zero, logp_BT.detach(), zero, zero, zero, one, one), **more)


def bits(*values: int) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


# --- choices ------------------------------------------------------------------------------------------------------


def test_covariance_choices_by_hand():
    """A - mean: .5 .5 -.5 .5 -1; log pi - mean: 1.5 -1.5 -1.5 0 1.5; so .75 -.75 .75 0 -1.5. Half of five is two."""
    assert KL_COV.choose(ADVANTAGE, LOGP, draw()).tolist() == [True, False, True, False, False]
    assert CLIP_COV.choose(ADVANTAGE, LOGP, draw()).tolist() == [True, False, True, False, False]
    alone = replace(CLIP_COV, share=0.2)
    drawn = {tuple(alone.choose(ADVANTAGE, LOGP, draw(seed)).tolist()) for seed in range(20)}
    assert drawn == {(True, False, False, False, False), (False, False, True, False, False)}
    assert not replace(CLIP_COV, high=0.7).choose(ADVANTAGE, LOGP, draw()).any()


def test_low_probability_choice_by_hand():
    """A third of six tokens with a negative advantage, rounded down; none where there is no such token."""
    advantage_M = torch.tensor([-1.0, -1, -1, -1, -1, -1, 1, 0])
    logp_M = torch.tensor([-3.0, -1, -4, -2, -5, -0.5, -9, -9])
    term = replace(LP_REG, share=1 / 3)
    assert term.choose(advantage_M, logp_M, draw()).nonzero()[:, 0].tolist() == [2, 4]
    assert not term.choose(advantage_M.abs(), logp_M, draw()).any()


def test_at_least_one_and_no_more_than_there_are():
    """2e-4 of 100 tokens is one; .29 of 100 is 29, also in floating point; of no token none."""
    assert [part(100, 2e-4), part(100, 0.29), part(0, 0.5)] == [1, 29, 1]
    assert least(torch.tensor([]), 1).tolist() == []
    nothing = torch.tensor([])
    assert [len(term.choose(nothing, nothing, draw())) for term in (CLIP_COV, KL_COV, LP_REG)] == [0, 0, 0]


# --- by hand ------------------------------------------------------------------------------------------------------


def test_clip_cov_by_hand():
    """The tokens that were drawn have no loss and no gradient; the denominator counts them."""
    given = row([-1.0, -2, -3], advantage_BT=bits(1, 2, 3), weight_BT=bits(1, 1, 1) / 3)
    given = replace(given, chosen_BT={CLIP_COV: bits(0, 1, 0)})
    objective = Objective(PPO, [CLIP_COV])
    loss, sums = objective(given)
    assert float(loss.detach()) == pytest.approx(-4 / 3)
    loss.backward()
    assert given.logp_BT.grad[0].tolist() == pytest.approx([-1 / 3, 0, -1])
    assert objective.metrics(sums)["clip_cov/share"] == pytest.approx(1 / 3)
    assert CLIP_COV.retained(torch.tensor([5.0]), torch.tensor([True])).tolist() == [5]
    assert not objective.needs_every_completion


def test_kl_cov_by_hand():
    """2 |log rho|, whose slope is 2 times its sign: towards the old policy, from either side; at 1 there is none."""
    given = row([-1.0, -2, -3, -4], chosen_BT={KL_COV: bits(1, 1, 1, 0)})
    given = replace(given, old_logp_BT=given.logp_BT.detach() - torch.tensor([[0.5, -0.25, 0, 3]]))
    loss_BT = KL_COV(given)
    assert loss_BT[0].tolist() == pytest.approx([1, 0.5, 0, 0])
    loss_BT.sum().backward()
    assert given.logp_BT.grad[0].tolist() == pytest.approx([2, -2, 0, 0])


def test_lp_reg_by_hand():
    """Proxies of .2 and .4 for tokens of .1, of .1 for one of .2, and none: d = log 2, so k3 = 2 - log 2 - 1; log 4."""
    proxy = {PROXY: torch.tensor([[0.2, 0.4, 0.1, 0.0, 0.2]]).double().log()}
    given = row([log(0.1), log(0.1), log(0.2), log(0.1), log(0.1)])
    given = replace(given, statistic_BT=proxy, chosen_BT={LP_REG: bits(1, 1, 1, 1, 0)})
    loss_BT = LP_REG(given)
    assert loss_BT[0].tolist() == pytest.approx([0.5 * (1 - log(2)), 0.5 * (3 - log(4)), 0, 0, 0])
    loss_BT.sum().backward()
    assert given.logp_BT.grad[0].tolist() == pytest.approx([-0.5, -1.5, 0, 0, 0])


def test_lp_reg_is_bounded():
    """From 10 on it is flat, as in the released code."""
    given = row([-20.0], statistic_BT={PROXY: bits(0)}, chosen_BT={LP_REG: bits(1)})
    loss_BT = LP_REG(given)
    assert loss_BT.item() == 5
    loss_BT.sum().backward()
    assert given.logp_BT.grad.item() == 0


def siren_row(inside: list[float], written: list[int]) -> Tokens:
    nothing = torch.zeros(1, len(inside), dtype=torch.float64)
    inside_BT = torch.tensor([inside], dtype=torch.float64).requires_grad_()
    mask_BT = torch.tensor([written])
    return Tokens(*[nothing] * 7, mask_BT, statistic_BT={NUCLEUS: inside_BT})


def test_siren_by_hand():
    """Six tokens; the .8 quantile is at place .8 x 5 = 4, where .5 stands: one is above it. (.9 - .4)^2 x 2."""
    term = SIREN(2.0, 0.8, 0.8)
    term.load_state_dict({"anchor": 0.4})
    given = siren_row([0.1, 0.2, 9.0, 0.9, 0.5, 0.3, 0.4], [1, 1, 0, 1, 1, 1, 1])
    loss_BT = term(given)
    assert loss_BT[0].tolist() == pytest.approx([0.5, 0.5, 0, 0.5, 0.5, 0.5, 0.5])
    loss_BT.sum().backward()
    assert given.statistic_BT[NUCLEUS].grad[0].tolist() == pytest.approx([0, 0, 0, 6 * 2 * 2 * 0.5, 0, 0, 0])


def test_siren_says_nothing_where_all_tokens_are_alike():
    """A single token, none, or all of the same entropy."""
    term = SIREN(2.0, 0.8, 0.8)
    term.load_state_dict({"anchor": 0.4})
    for given in (siren_row([0.7, 9], [1, 0]), siren_row([9.0], [0]), siren_row([0.7, 0.7], [1, 1])):
        loss_BT = term(given)
        assert not loss_BT.any()
        loss_BT.sum().backward()
        assert not given.statistic_BT[NUCLEUS].grad.any()


def test_siren_learns_its_anchor_in_the_first_step():
    """Means of .9 over six tokens and of .6 over two, in two micro-batches of two ranks: (5.4 + 1.2) / 8."""
    whole = siren_row([0.1, 0.2, 9.0, 0.9, 0.5, 0.3, 0.4], [1, 1, 0, 1, 1, 1, 1])
    ranks = [SIREN(2.0, 0.8, 0.8) for _ in range(2)]
    objectives = [Objective(PPO, auxiliary=[EntropyBonus(1.0), rank]) for rank in ranks]
    for objective, given in ((objectives[0], whole), (objectives[1], siren_row([0.2, 0.6], [1, 1]))):
        assert objective(given)[0] == 0
        assert objective.state_dict() == {"SIREN.0": {"anchor": None}}
    assert not ranks[0](siren_row([0.7], [1])).any()  # which has no say
    told = [iter([6.6, 8.0]) for _ in range(2)]
    for objective, totals in zip(objectives, told, strict=True):
        objective.after_step(lambda mine, totals=totals: next(totals))
        objective.after_step(lambda mine: pytest.fail("The anchor is known."))
    assert [rank.anchor for rank in ranks] == pytest.approx([0.825] * 2)
    other = Objective(PPO, auxiliary=[SIREN(2.0, 0.8, 0.8)])
    other.load_state_dict({})
    assert other.auxiliary[0].anchor is None
    other.load_state_dict(objectives[0].state_dict())
    assert other.auxiliary[0].anchor == pytest.approx(0.825)


def test_siren_adds_up_its_own_numbers():
    """And waits for the next step where no completion had a say."""
    term = SIREN(2.0, 0.8, 0.8)
    term.after_step(lambda mine: mine)
    assert term.anchor is None
    for given in (siren_row([0.1, 0.2, 9.0, 0.9, 0.5, 0.3, 0.4], [1, 1, 0, 1, 1, 1, 1]), siren_row([0.2, 0.6], [1, 1])):
        term(given)
    term.after_step(lambda mine: mine)
    assert term.anchor == pytest.approx(0.825)


def test_unclipped_by_hand():
    """-A rho: ratios of 3 and 1/2; nothing is clipped."""
    given = row([log(3), log(0.5), 0.0])
    zero, advantage_BT, mask_BT = given.advantage_BT, torch.tensor([[2.0, -1.0, 5.0]]), torch.tensor([[1, 1, 0]])
    loss_BT, clipped_BT = unclipped(given.logp_BT, zero, advantage_BT, mask_BT)
    assert loss_BT[0].tolist() == pytest.approx([-6, 0.5, 0])
    assert not clipped_BT.any()
    loss_BT.sum().backward()
    assert given.logp_BT.grad[0].tolist() == pytest.approx([-6, 0.5, 0])


def test_what_an_objective_asks_for():
    """Each statistic once, and each choice once, whoever shares it; nothing where nobody asks."""
    plain = Objective(PPO, auxiliary=[EntropyBonus(1.0)])
    assert plain.statistics == plain.choosers == ()
    assert plain.state_dict() == {}
    twice = Objective(PPO, [CLIP_COV], [SIREN(1.0, 0.8, 0.8), SIREN(2.0, 0.8, 0.5), KL_COV, LP_REG, KLCov(2.0, 0.5)])
    assert twice.statistics == (NUCLEUS, PROXY)
    assert twice.choosers == (CLIP_COV, KL_COV, LP_REG)
    assert not twice.entropy_gradient


def test_who_chose_nothing_is_not_heard_of():
    """Rows that no rollout brought, as of an empty micro-batch."""
    given = row([-1.0, -2])
    assert not KL_COV(given).any()
    assert CLIP_COV(given)[0].tolist() == [[1, 1]]
