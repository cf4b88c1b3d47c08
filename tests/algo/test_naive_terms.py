"""Terms that choose tokens or ask for more than entropy: against naive formulas on whole logits, in float64."""

from dataclasses import replace

import pytest
import torch

from rlvr.algo import SIREN, Objective, Tokens
from tests.algo.test_objective import PPO, tokens
from tests.algo.test_token_terms import CLIP_COV, KL_COV, LP_REG, NUCLEUS, PROXY, draw


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
