"""Dealing training samples out to micro-batches and ranks, so that each has about as many tokens."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from itertools import chain
from math import ceil
from typing import Protocol, TypeVar

# A problem's completions stay together and share its prompt up to this part of a micro-batch: parts must be small
# enough to be dealt out evenly.
LARGEST_PIECE = 0.25


class Member(Protocol):
    """What is dealt out: a completion and its prompt, or what stands for them."""

    @property
    def problem_id(self) -> str:
        """Completions of one problem share their prompt."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""

    @property
    def completion_tokens(self) -> int:
        """Tokens of the completion."""


Item = TypeVar("Item", bound=Member)
Piece = list[Item]  # completions of one problem that share a prompt


def pieces_of(samples: Sequence[Item], budget: int) -> list[Piece[Item]]:
    """Completions by problem, in parts of at most a quarter of `budget` tokens where that is possible."""
    by_problem: dict[str, Piece[Item]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem_id, []).append(sample)
    return list(chain.from_iterable(_cut(piece, LARGEST_PIECE * budget) for piece in by_problem.values()))


def micro_batches(pieces: Sequence[Piece[Item]], budget: int, ranks: int) -> int:
    """Micro-batches a rank: the fewest with which `deal` stays within `budget` tokens; one piece may exceed it."""
    count = max(1, ceil(sum(map(piece_tokens, pieces)) / (budget * ranks)))
    largest = max(map(piece_tokens, pieces), default=0)
    while _heaviest(deal(pieces, count * ranks)) > max(budget, largest):
        count += 1
    return count


def deal(pieces: Sequence[Piece[Item]], parts: int) -> list[list[Piece[Item]]]:
    """Exactly `parts` lists, some perhaps empty, of about equally many tokens: the longest piece first, each to the
    lightest list. The same on every rank."""
    dealt: list[list[Piece[Item]]] = [[] for _ in range(parts)]
    lightest = [(0, index) for index in range(parts)]
    heapify(lightest)
    for piece in sorted(pieces, key=piece_tokens, reverse=True):
        tokens, index = lightest[0]
        dealt[index].append(piece)
        heapreplace(lightest, (tokens + piece_tokens(piece), index))
    return dealt


def piece_tokens(piece: Piece[Item]) -> int:
    """Packed tokens of a piece, its prompt counted once."""
    return piece[0].prompt_tokens + sum(sample.completion_tokens - 1 for sample in piece)


def _heaviest(dealt: list[list[Piece[Item]]]) -> int:
    return max(sum(map(piece_tokens, part)) for part in dealt)


def _cut(piece: Piece[Item], most: float) -> Iterator[Piece[Item]]:
    part: Piece[Item] = []
    for sample in piece:
        if part and piece_tokens([*part, sample]) > most:
            yield part
            part = []
        part.append(sample)
    yield part
