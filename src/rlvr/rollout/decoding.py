"""Decoding with the policy's own modules. A beginning that several completions share is read once, and a completion
that has ended costs nothing more.

transformers' `generate` goes on with every row until the last one ends, and spends as long on its own bookkeeping as a
small policy does on arithmetic. Any decoder-only model of its interface decodes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlvr.rollout.cache import roomy_cache

# A nucleus is first looked for among so many likeliest tokens, in a tenth of the time of sorting a large vocabulary.
LIKELIEST = 1024
# Rows that have ended are taken out only when at most this part of all rows goes on, since this copies the cache.
THINNED = 0.8
# Completions share rows until more than this part of them differ, since a row that branches copies the cache, too.
DIFFER = 0.5


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
        Tokens [P x n, T] and their log-probabilities, nats. Values after the end of a row have no meaning.
    """
    longest, device = max(room_P), prompt_PS.device
    cache = roomy_cache(policy.config, longest)
    state: dict[str, Any] = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    position_PS = (mask_PS.cumsum(1) - 1).clamp(min=0)
    logits_NV = policy(input_ids=prompt_PS, attention_mask=mask_PS, position_ids=position_PS, **state).logits[:, -1]
    rows = _Rows(
        start_N1=mask_PS.sum(1, keepdim=True) - 1,
        room_N1=torch.tensor(room_P, device=device)[:, None],
        mask_NS=torch.cat([mask_PS, mask_PS.new_ones(len(mask_PS), longest)], dim=1),
    )
    place_L = torch.arange(n * len(prompt_PS), device=device)
    row_L = place_L // n
    token_BT = torch.zeros(len(place_L), longest, dtype=torch.long, device=device)
    logp_BT = torch.zeros(len(place_L), longest, device=device)
    ends = torch.tensor(list(eos), device=device)
    for step in range(1, longest + 1):
        token_L, logp_L = draw(logits_NV, row_L, place_L, len(token_BT))
        token_BT[place_L, step - 1], logp_BT[place_L, step - 1] = token_L, logp_L
        goes_on_L = ~torch.isin(token_L, ends) & (rows.room_N1[row_L, 0] > step)
        index_L = goes_on_L.nonzero()[:, 0]  # the host waits for this at every token
        if not len(index_L):
            break
        place_L, row_L, token_L = place_L[index_L], row_L[index_L], token_L[index_L]
        parent_N, token_N, row_L = _read_next(row_L, token_L, len(rows.start_N1), logits_NV.shape[1])
        if parent_N is not None:
            cache.batch_select_indices(parent_N)
            rows = rows.only(parent_N)
        # A row that has ended waits at its last position: beyond it the model may have none.
        position_N1 = rows.start_N1 + rows.room_N1.clamp(max=step)
        seen_NS = rows.mask_NS[:, : prompt_PS.shape[1] + step]
        out = policy(input_ids=token_N[:, None], attention_mask=seen_NS, position_ids=position_N1, **state)
        logits_NV = out.logits[:, -1]
    return token_BT[:, :step], logp_BT[:, :step]


def _read_next(row_L: Tensor, token_L: Tensor, rows: int, vocabulary: int) -> tuple[Tensor | None, Tensor, Tensor]:
    """The next input of the policy, for completions that continue these rows with these tokens.

    Completions with the same tokens so far are one row until most differ; then each has its own row. Rows stay as they
    are while none branches and few of them have ended.

    Returns:
        The row that each new one continues, None where rows stay; the new rows' tokens; each completion's row.
    """
    key_L = row_L * vocabulary + token_L
    branch_N, branch_L = torch.unique(key_L, return_inverse=True)
    if len(branch_N) > DIFFER * len(key_L):
        branch_N, order_N = key_L.sort()
        branch_L = order_N.argsort()
    parent_N = branch_N // vocabulary
    said_N = branch_N % vocabulary
    if len(branch_N) == len(torch.unique_consecutive(parent_N)) > THINNED * rows:
        token_N = token_L.new_zeros(rows)
        token_N[parent_N] = said_N
        return None, token_N, row_L
    return parent_N, said_N, branch_L


@dataclass(frozen=True)
class _Rows:
    """N different beginnings of completions, which the policy reads side by side.

    Attributes:
        start_N1: Position of the prompt's last token.
        room_N1: Tokens that a completion may have at most.
        mask_NS: What a row attends to: all but the padding before its prompt.
    """

    start_N1: Tensor
    room_N1: Tensor
    mask_NS: Tensor

    def only(self, index_N: Tensor) -> "_Rows":
        """The rows at these indices."""
        return _Rows(*(held.index_select(0, index_N) for held in vars(self).values()))


class Draw:
    """Draws tokens by temperature and nucleus.

    Every completion has its own random number at every step, so it does not matter which others have ended.

    Args:
        temperature: 0 takes the likeliest token.
        top_p: Probability of the nucleus.
    """

    def __init__(self, temperature: float, top_p: float) -> None:
        self.temperature = temperature
        self.top_p = top_p

    def __call__(self, logits_NV: Tensor, row_L: Tensor, place_L: Tensor, of_all: int) -> tuple[Tensor, Tensor]:
        """A token for each of L completions and its log-probability before the nucleus was taken.

        Args:
            logits_NV: Of N rows.
            row_L: The row that each completion continues.
            place_L: Index of each among all completions.
            of_all: Number of all completions, including those that have ended.
        """
        logits_NV = logits_NV.float()
        logp_NV = torch.log_softmax(logits_NV / (self.temperature or 1.0), dim=-1)
        if self.temperature == 0:
            token_L = logits_NV.argmax(dim=-1)[row_L]
        else:
            drawn_NV = (logp_NV if self.top_p == 1 else nucleus(logp_NV, self.top_p)).exp()
            token_L = inverted(drawn_NV, row_L, 1 - torch.rand(of_all, device=logp_NV.device)[place_L])
        return token_L, logp_NV[row_L, token_L]


def inverted(mass_NV: Tensor, row_L: Tensor, share_L: Tensor) -> Tensor:
    """The first token at which the cumulative mass of the row reaches this share: one random number draws one token.

    In fp32 a token's probability is right to about 1e-7, as is a uniform random number.

    Args:
        mass_NV: 0 where a token must not be drawn.
        row_L: Row of each draw.
        share_L: Random number of each draw, above 0 and at most 1.
    """
    sum_LV = mass_NV.cumsum(dim=-1)[row_L]
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
