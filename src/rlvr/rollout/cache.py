"""A key-value cache with room to grow. The cache of transformers is copied whole at every token."""

from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig
from transformers.cache_utils import DynamicCache, DynamicLayer

# Tokens for which room is made at a time, at most. The cache is copied only when the room is used up.
ROOM = 128


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, written into memory allocated ahead. The tensors are a view of its first part.

    Args:
        room: Tokens for which room is made at a time. Too much of it would spread keys and values over more memory.
    """

    def __init__(self, room: int = ROOM) -> None:
        super().__init__()
        self.room = room

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add [B, heads, Q, D] and return all [B, heads, S, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = _extended(self.keys, key_states, self.room)
        self.values = _extended(self.values, value_states, self.room)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows, with the room that they have."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = _selected(self.keys, indices), _selected(self.values, indices)


def roomy_cache(config: PretrainedConfig, longest: int) -> DynamicCache:
    """An empty cache. Layers that keep only a window of tokens stay those of transformers.

    Args:
        config: The model's.
        longest: Tokens that will come after the prompt, at most.
    """
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer(min(longest, ROOM)) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _selected(held: Tensor, indices: Tensor) -> Tensor:
    _, heads, length, size = held.shape
    kept = held.new_empty(len(indices), heads, held.stride(1) // size, size)[:, :, :length]
    return torch.index_select(held, 0, indices, out=kept)


def _extended(held: Tensor | None, new: Tensor, more: int) -> Tensor:
    """The held and the new tokens together, in the memory of `held` where this has room for both."""
    batch, heads, added, size = new.shape
    if held is None or held.dim() < 4:  # nothing yet
        held = new.new_empty(batch, heads, 0, size)
    length = held.shape[2]
    room = held.stride(1) // size  # tokens from one head to the next
    if not length or length + added > room:
        larger = new.new_empty(batch, heads, length + added + more, size)
        larger[:, :, :length] = held
    else:
        larger = held.as_strided((batch, heads, room, size), held.stride())
    larger[:, :, length : length + added] = new
    return larger[:, :, : length + added]
