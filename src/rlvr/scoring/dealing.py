"""Dealing training samples out to micro-batches and ranks, so that each has about as many tokens."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from itertools import chain
from math import ceil

from rlvr.step.samples import TrainingSample

# A problem's completions stay together and share its prompt up to this part of a micro-batch: parts must be small
# enough to be dealt out evenly.
LARGEST_PIECE = 0.25

Piece = list[TrainingSample]  # completions of one problem that share a prompt


def pieces_of(samples: Sequence[TrainingSample], budget: int) -> list[Piece]:
    """Completions by problem, in parts of at most a quarter of `budget` tokens where that is possible."""
    by_problem: dict[str, Piece] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem.id, []).append(sample)
    return list(chain.from_iterable(_cut(piece, LARGEST_PIECE * budget) for piece in by_problem.values()))


def micro_batches(pieces: Sequence[Piece], budget: int, ranks: int) -> int:
    """Micro-batches a rank: the fewest with which `deal` stays within `budget` tokens; one piece may exceed it."""
    count = max(1, ceil(sum(map(piece_tokens, pieces)) / (budget * ranks)))
    largest = max(map(piece_tokens, pieces), default=0)
    while _heaviest(deal(pieces, count * ranks)) > max(budget, largest):
        count += 1
    return count


def deal(pieces: Sequence[Piece], parts: int) -> list[list[Piece]]:
    """Exactly `parts` lists, some perhaps empty, of about equally many tokens: the longest piece first, each to the
    lightest list. The same on every rank."""
    dealt: list[list[Piece]] = [[] for _ in range(parts)]
    lightest = [(0, index) for index in range(parts)]
    heapify(lightest)
    for piece in sorted(pieces, key=piece_tokens, reverse=True):
        tokens, index = lightest[0]
        dealt[index].append(piece)
        heapreplace(lightest, (tokens + piece_tokens(piece), index))
    return dealt


def piece_tokens(piece: Piece) -> int:
    """Packed tokens of a piece, its prompt counted once."""
    return len(piece[0].problem.prompt_ids) + sum(len(sample.completion.token_ids) - 1 for sample in piece)


def _heaviest(dealt: list[list[Piece]]) -> int:
    return max(sum(map(piece_tokens, part)) for part in dealt)


def _cut(piece: Piece, most: float) -> Iterator[Piece]:
    part: Piece = []
    for sample in piece:
        if part and piece_tokens([*part, sample]) > most:
            yield part
            part = []
        part.append(sample)
    yield part
