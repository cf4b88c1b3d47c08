"""The cache with room against transformers' own."""

import torch
from transformers.cache_utils import DynamicLayer

from rlvr.rollout.cache import ROOM, RoomyLayer


def test_it_holds_what_transformers_holds():
    """Prompts, single tokens, more than there is room for, rows repeated, rows taken out, a part cut off."""
    generator = torch.Generator().manual_seed(0)
    theirs, ours = DynamicLayer(), RoomyLayer()

    def add(rows: int, tokens: int) -> None:
        keys, values = torch.randn(2, rows, 2, tokens, 8, generator=generator)
        for one, other in zip(theirs.update(keys, values), ours.update(keys, values), strict=True):
            assert torch.equal(one, other)

    for tokens in (5, 1, 1, ROOM, 1, 2 * ROOM, 1):
        add(4, tokens)
    for layer in (theirs, ours):
        layer.batch_repeat_interleave(3)
    for tokens in (1, 1, ROOM + 1):
        add(12, tokens)
    for layer in (theirs, ours):
        layer.batch_select_indices(torch.tensor([0, 7, 9]))
        layer.crop(4)
    add(3, 1)
    assert ours.get_seq_length() == theirs.get_seq_length()


def test_tokens_are_not_copied_again():
    """Until the room is used up the memory is the same."""
    layer = RoomyLayer()
    layer.update(torch.zeros(2, 1, 3, 4), torch.zeros(2, 1, 3, 4))
    place = layer.keys.data_ptr()
    for _ in range(ROOM):
        layer.update(torch.zeros(2, 1, 1, 4), torch.zeros(2, 1, 1, 4))
    assert layer.keys.data_ptr() == place


def test_a_single_token_first():
    """A prompt of one token."""
    layer = RoomyLayer()
    keys, _ = layer.update(torch.ones(2, 1, 1, 4), torch.ones(2, 1, 1, 4))
    assert keys.shape == (2, 1, 1, 4)
