"""A key-value cache with room to grow: transformers' own is copied whole at every token."""

from typing import Any

from torch import Tensor
from transformers import PretrainedConfig
from transformers.cache_utils import DynamicCache, DynamicLayer

# Tokens for which room is made at a time; a whole copy is due only when it is used up.
ROOM = 128


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, written into room made ahead; what is held is a view of its first part."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add [B, heads, Q, D] and return all [B, heads, S, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.keys = _extended(self.keys, key_states)
        self.values = _extended(self.values, value_states)
        return self.keys, self.values


def roomy_cache(config: PretrainedConfig) -> DynamicCache:
    """An empty cache; layers that hold a window only stay transformers' own."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _extended(held: Tensor | None, new: Tensor) -> Tensor:
    """What is held and what is new, in the memory behind `held` where that has room for both."""
    batch, heads, added, size = new.shape
    if held is None or held.dim() < 4:  # nothing yet
        held = new.new_empty(batch, heads, 0, size)
    length = held.shape[2]
    room = held.stride(1) // size  # tokens from one head to the next
    if not length or length + added > room:
        larger = new.new_empty(batch, heads, length + added + ROOM, size)
        larger[:, :, :length] = held
    else:
        larger = held.as_strided((batch, heads, room, size), held.stride())
    larger[:, :, length : length + added] = new
    return larger[:, :, : length + added]
