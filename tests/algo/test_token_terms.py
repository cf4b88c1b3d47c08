"""Terms that choose tokens or ask for more than entropy: by hand, and against naive formulas on whole logits."""

from dataclasses import replace
from functools import partial
from math import log

import pytest
import torch

from rlvr.algo import SIREN, ClipCov, EntropyBonus, KLCov, LpReg, MinPLogp, NucleusEntropy, Objective, Tokens
from rlvr.algo.choices import least, part
from rlvr.algo.surrogates import ppo_clip, unclipped
from tests.algo.test_objective import tokens

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


# --- against naive code on whole logits ---------------------------------------------------------------------------


def nucleus_entropy(logits_V: torch.Tensor, top_p: float) -> torch.Tensor:
    """One token's, as one would write it down."""
    p_V = logits_V.softmax(-1)
    chosen, held = [], 0.0
    for token in p_V.argsort(descending=True).tolist():
        if held >= top_p:
            break
        chosen.append(token)
        held += float(p_V[token].detach())
    q = p_V[chosen] / p_V[chosen].sum()
    return -(q * q.log()).sum()


def min_p_logp(logits_V: torch.Tensor, logp: torch.Tensor, min_p: float) -> float:
    """One token's, by its log-probability; -inf where it is left out."""
    p_V = logits_V.detach().softmax(-1)
    left = p_V[p_V >= min_p * p_V.max()].sum()
    return float(logp.detach() - left.log()) if float(logp.detach().exp()) >= min_p * float(p_V.max()) else -torch.inf


def with_statistics(logits_BTV: torch.Tensor, seed: int) -> Tokens:
    """What the output head would give of these logits, made plainly; choices at random."""
    given = tokens(logits_BTV, seed)
    inside, proxy = torch.zeros_like(given.logp_BT), torch.zeros_like(given.mask_BT)
    for b, t in given.mask_BT.nonzero().tolist():
        inside = inside.index_put((torch.tensor(b), torch.tensor(t)), nucleus_entropy(logits_BTV[b, t], 0.8))
        proxy[b, t] = min_p_logp(logits_BTV[b, t], given.logp_BT[b, t], 0.1)
    chosen_BT = (torch.rand(3, 4, generator=draw(seed)) < 0.7) * given.mask_BT
    chosen = dict.fromkeys((CLIP_COV, KL_COV, LP_REG), chosen_BT)
    return replace(given, statistic_BT={NUCLEUS: inside, PROXY: proxy}, chosen_BT=chosen)


def naive(given: Tokens, logits_BTV: torch.Tensor, anchor: float) -> torch.Tensor:
    """Token by token."""
    total = torch.zeros((), dtype=torch.float64)
    for b in range(3):
        written = [t for t in range(4) if given.mask_BT[b, t]]
        inside = [nucleus_entropy(logits_BTV[b, t], 0.8) for t in written]
        place = 0.8 * (len(written) - 1)
        order = sorted(float(one.detach()) for one in inside)
        low, high = order[int(place)], order[min(int(place) + 1, len(order) - 1)]
        peaks = [one for one in inside if float(one.detach()) > low + (place - int(place)) * (high - low)]
        if peaks:
            total = total + 2 * (sum(peaks) / len(peaks) - anchor) ** 2 * len(written) / 7
        for t in written:
            logp, ratio = given.logp_BT[b, t], (given.logp_BT[b, t] - given.old_logp_BT[b, t]).exp()
            chosen, a = bool(given.chosen_BT[KL_COV][b, t]), given.advantage_BT[b, t]
            if not chosen:  # by Clip-Cov, which gets the same choice here
                total = total + torch.max(-a * ratio, -a * ratio.clamp(0.8, 1.2)) * given.weight_BT[b, t]
                continue
            total = total + 2 * ratio.log().abs() / 7
            d = min_p_logp(logits_BTV[b, t], logp, 0.1) - logp
            if float(d.detach()) > 0:
                total = total + 0.5 * torch.clamp(d.exp() - d - 1, max=10) / 7
    return total


@pytest.mark.parametrize("seed", range(10))
def test_value_and_gradient_equal_the_naive_formulas(seed: int):
    """All four together, down to the logits, in float64."""
    logits_BTV = 2 * torch.randn(3, 4, 5, generator=draw(seed), dtype=torch.float64)
    ours, theirs = (logits_BTV.clone().requires_grad_() for _ in range(2))
    siren = SIREN(2.0, 0.8, 0.8)
    siren.load_state_dict({"anchor": 0.3})
    objective = Objective(PPO, [CLIP_COV], [siren, KL_COV, LP_REG])
    given = with_statistics(ours, seed)
    loss, _ = objective(given)
    expected = naive(with_statistics(theirs, seed), theirs, 0.3)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


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
