"""Decoding with the policy's own modules: each prompt is read once, and a completion that has ended costs no more.

transformers' `generate` goes on with every row until the last one ends, and spends as long on its own bookkeeping as a
small policy does on arithmetic. Any decoder-only model of its interface decodes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlvr.rollout.cache import roomy_cache

# Likeliest tokens among which a nucleus is looked for first: a tenth of the time of sorting a large vocabulary.
LIKELIEST = 1024
# Rows that have ended are taken out when no more than this part of all goes on: each time the cache is copied.
THINNED = 0.8


def decode(
    policy: Any, prompt_PS: Tensor, mask_PS: Tensor, n: int, room_P: Sequence[int], eos: Sequence[int], draw: "Draw"
) -> tuple[Tensor, Tensor]:
    """Continue every prompt n times.

    Args:
        policy: A decoder-only Hugging Face model, or one wrapped by peft.
        prompt_PS: Prompts, padded on the left.
        mask_PS: 1 where they are not padding.
        n: Completions a prompt.
        room_P: Tokens that a completion may have at most.
        eos: Tokens that end a completion.
        draw: Chooses tokens.

    Returns:
        Tokens [P x n, T] and the log-probabilities of each; what follows a row's end means nothing.
    """
    longest = max(room_P)
    cache = roomy_cache(policy.config, longest)
    state: dict[str, Any] = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    position_PS = (mask_PS.cumsum(1) - 1).clamp(min=0)
    logits_LV = policy(input_ids=prompt_PS, attention_mask=mask_PS, position_ids=position_PS, **state).logits[:, -1]
    logits_LV = logits_LV.repeat_interleave(n, dim=0)
    if n > 1:
        cache.batch_repeat_interleave(n)
    rows = _Rows(
        place_L=torch.arange(len(logits_LV), device=prompt_PS.device),
        start_L1=mask_PS.sum(1, keepdim=True).repeat_interleave(n, dim=0) - 1,
        room_L1=torch.tensor(room_P, device=prompt_PS.device)[:, None].repeat_interleave(n, dim=0),
        mask_LS=torch.cat([mask_PS, mask_PS.new_ones(len(mask_PS), longest)], dim=1).repeat_interleave(n, dim=0),
    )
    token_BT = torch.zeros(len(logits_LV), longest, dtype=torch.long, device=prompt_PS.device)
    logp_BT = torch.zeros(len(logits_LV), longest, device=prompt_PS.device)
    goes_on_L, ends = torch.ones_like(rows.place_L, dtype=torch.bool), torch.tensor(list(eos), device=prompt_PS.device)
    for step in range(1, longest + 1):
        token_L, logp_L = draw(logits_LV, rows.place_L, len(token_BT))
        token_BT[rows.place_L, step - 1], logp_BT[rows.place_L, step - 1] = token_L, logp_L
        goes_on_L &= ~torch.isin(token_L, ends) & (rows.room_L1[:, 0] > step)
        left = int(goes_on_L.sum())  # the host waits for this at every token
        if not left:
            break
        if left <= THINNED * len(goes_on_L):
            index_L = goes_on_L.nonzero()[:, 0]
            cache.batch_select_indices(index_L)
            rows, token_L, goes_on_L = rows.only(index_L), token_L[index_L], goes_on_L[index_L]
        # A row that has ended waits at its last position: beyond it the model may have none.
        position_L1 = rows.start_L1 + rows.room_L1.clamp(max=step)
        seen_LS = rows.mask_LS[:, : prompt_PS.shape[1] + step]
        out = policy(input_ids=token_L[:, None], attention_mask=seen_LS, position_ids=position_L1, **state)
        logits_LV = out.logits[:, -1]
    return token_BT[:, :step], logp_BT[:, :step]


@dataclass(frozen=True)
class _Rows:
    """L completions that are still in the batch.

    Attributes:
        place_L: Which of all completions each is.
        start_L1: Position of the prompt's last token.
        room_L1: Tokens that it may have at most.
        mask_LS: What it attends to: all but the padding before its prompt.
    """

    place_L: Tensor
    start_L1: Tensor
    room_L1: Tensor
    mask_LS: Tensor

    def only(self, index_L: Tensor) -> "_Rows":
        """Those at these indices."""
        return _Rows(*(held.index_select(0, index_L) for held in vars(self).values()))


class Draw:
    """Draws tokens by temperature and nucleus.

    Every row has random numbers of its own at every step, whichever rows have ended before.

    Args:
        temperature: 0 takes the likeliest token.
        top_p: Probability of the nucleus.
    """

    def __init__(self, temperature: float, top_p: float) -> None:
        self.temperature = temperature
        self.top_p = top_p

    def __call__(self, logits_LV: Tensor, place_L: Tensor, of_all: int) -> tuple[Tensor, Tensor]:
        """Tokens [L] for these of all rows, and their log-probabilities before the nucleus was taken."""
        logits_LV = logits_LV.float()
        logp_LV = torch.log_softmax(logits_LV / (self.temperature or 1.0), dim=-1)
        if self.temperature == 0:
            token_L = logits_LV.argmax(dim=-1)
        else:
            drawn_LV = (logp_LV if self.top_p == 1 else nucleus(logp_LV, self.top_p)).exp()
            token_L = inverted(drawn_LV, 1 - torch.rand(of_all, device=logp_LV.device)[place_L])
        return token_L, logp_LV.gather(1, token_L[:, None])[:, 0]


def inverted(mass_LV: Tensor, share_L: Tensor) -> Tensor:
    """The first token up to which the tokens have this share of the mass together: one random number draws a row's.

    In fp32 a token's chance is right to about 1e-7, as one uniform number is.

    Args:
        mass_LV: 0 where a token must not be drawn.
        share_L: Above 0, at most 1.
    """
    sum_LV = mass_LV.cumsum(dim=-1)
    return (sum_LV < share_L[:, None] * sum_LV[:, -1:]).sum(dim=-1)


def nucleus(logp_BV: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together have `top_p` of the probability, the others at minus infinity.

    Source: arXiv 1904.09751 (well known).
    """
    count = min(LIKELIEST, logp_BV.shape[1])
    while True:
        top_BK, token_BK = logp_BV.topk(count)
        mass_BK = top_BK.exp().cumsum(dim=1)
        if count == logp_BV.shape[1] or bool((mass_BK[:, -1] >= top_p).all()):
            break
        count = min(8 * count, logp_BV.shape[1])
    kept_BK = top_BK.masked_fill(mass_BK - top_BK.exp() >= top_p, -torch.inf)
    return torch.full_like(logp_BV, -torch.inf).scatter(1, token_BK, kept_BK)
