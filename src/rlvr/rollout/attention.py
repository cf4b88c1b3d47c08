"""Attention of one new token with grouped keys and values, which are read without being copied.

transformers copies keys and values for every query head where there is a mask. Query heads that share keys and values
can instead be treated as several queries of one head: nothing is copied, and the result is the same.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "grouped"


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Like transformers' own attention, except for a single query with more heads than there are key-value heads.

    Args:
        module: The attention layer.
        query: [B, heads, Q, D].
        key: [B, key-value heads, S, D].
        value: As `key`.
        attention_mask: [B, 1, Q, S], or None.
        dropout: On attention weights.
        scaling: Of the products; None: 1 / sqrt(D).
        settings: What transformers' own function may want.

    Returns:
        [B, Q, heads, D], and no weights.
    """
    heads, shared = query.shape[1], key.shape[1]
    if query.shape[2] != 1 or heads == shared:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **settings
        )
    folded = query.unflatten(1, (shared, heads // shared)).squeeze(3)
    out = scaled_dot_product_attention(folded, key, value, attn_mask=attention_mask, dropout_p=dropout, scale=scaling)
    return out.flatten(1, 2)[:, None], None


def use_grouped_attention(model: Any) -> None:
    """Let a Hugging Face model generate with it, unless it has another attention than torch's."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)


AttentionInterface.register(NAME, grouped_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
