"""Attention for packed sequences: all other layers see each token once, only attention sees rows.

The packed tokens of a micro-batch lie end to end, each prompt once however many completions follow it. For attention
they are laid out in rows, prompt and one completion each, padded on the right. A token attends only to what stands
before it, so padding on the right needs no mask, and torch may take its fastest causal kernel (flash attention on
GPUs). No other package is involved, and any model works that goes through transformers' attention interface.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from rlvr.errors import ConfigError
from rlvr.rollout.attention import grouped_attention

NAME = "packed"


@dataclass(frozen=True)
class Rows:
    """Which packed tokens make which row.

    Attributes:
        tables: Parts of rows of similar length, each [rows, S]: indices into the packed tokens, any token beyond
            a row's end.
        back_N: Where each packed token stands in all parts laid end to end; a prompt's tokens stand in several rows,
            with the same result, and one of them counts.
    """

    tables: tuple[Tensor, ...]
    back_N: Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> "Rows":
        """The same rows on `device`."""
        tables = tuple(table.to(device, non_blocking=non_blocking) for table in self.tables)
        return Rows(tables, self.back_N.to(device, non_blocking=non_blocking))


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    rows: Rows | None = None,
    **settings: Any,
) -> tuple[Tensor, None]:
    """Causal attention within rows; without `rows`, as in generation, that of `rollout.attention`.

    Args:
        module: The attention layer.
        query: [1, heads, N, D], N packed tokens, positions already rotated in.
        key: [1, key-value heads, N, D].
        value: As `key`.
        attention_mask: Not needed with rows.
        dropout: On attention weights.
        scaling: Of the products; None: 1 / sqrt(D).
        rows: The layout.
        settings: What transformers' own function may want.

    Returns:
        [1, N, heads, D], and no weights.
    """
    if rows is None:
        return grouped_attention(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **settings
        )
    flat = [states[0].transpose(0, 1) for states in (query, key, value)]
    parts: list[Tensor] = []
    for table in rows.tables:
        q, k, v = (_rows(states, table).transpose(1, 2) for states in flat)
        if _needs_whole_heads(q):
            k, v = (states.repeat_interleave(q.shape[1] // states.shape[1], dim=1) for states in (k, v))
        out = scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
        )
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts).index_select(0, rows.back_N)[None], None


def use_packed_attention(model: Any) -> None:
    """Let a Hugging Face model take `rows`; generation goes on as before.

    Raises:
        ConfigError: When some layer attends to a window only.
    """
    if model.config._attn_implementation == NAME:
        return
    if "sliding_attention" in (getattr(model.config, "layer_types", None) or ()):
        raise ConfigError(f"model: {type(model).__name__} attends to a sliding window, which training doesn't support.")
    model.set_attn_implementation(NAME)


def _needs_whole_heads(query: Tensor) -> bool:
    """Flash attention is for half precision. In fp32 on a GPU the next choice may not take grouped heads, which no GPU
    has shown yet, and the last one makes every product of a row: so each query head gets keys and values of its own."""
    device = query.device.type
    return device == "cuda" and query.dtype == torch.float32 and not torch.is_autocast_enabled(device)


def _rows(states_NHD: Tensor, table_BS: Tensor) -> Tensor:
    """[B, S, heads, D]; on CPUs `index_select` is three times as fast as indexing with a matrix."""
    return states_NHD.index_select(0, table_BS.flatten()).unflatten(0, table_BS.shape)


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
