"""From rollouts to packed micro-batches: what the LightningModule gets to see."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import chain
from math import ceil
from typing import Any

import torch
from torch import Tensor

from rlvr.training.attention import Rows
from rlvr.types import Completion, Problem

# Rows of attention are at most this much shorter than the longest beside them.
SIMILAR = 0.8
# A problem's completions stay together and share its prompt up to this part of a micro-batch: parts must be small
# enough to be dealt out evenly.
LARGEST_PIECE = 0.25


@dataclass(frozen=True)
class Sample:
    """One rollout that carries gradient.

    Attributes:
        problem: Where the prompt comes from.
        rollout: The completion.
        advantage: Its advantage, masked and weighted.
        weight: Numerator weight of each of its tokens over the global denominator of the optimizer step.
    """

    problem: Problem
    rollout: Completion
    advantage: float
    weight: float

    @property
    def tokens(self) -> int:
        """Prompt and completion."""
        return len(self.problem.prompt_ids) + len(self.rollout.token_ids)


class MicroBatch:
    """B completions, packed: N tokens without padding, M of the hidden states predict a completion token.

    Not a dataclass on purpose: Lightning's precision plugins reach into those and cast what they find, and weights
    and log-probabilities must stay in fp32 whatever the policy computes in.

    Attributes:
        token_N: Prompts, each once, and completions, each less its last token, which predicts nothing.
        position_N: Position of each in its sequence.
        rows: How attention sees them.
        before_M: For every completion token the index of the token before it.
        target_M: The completion tokens, sequence by sequence.
        mask_BT: 1 for completion tokens.
        engine_logp_BT: Log-probabilities under the engine that sampled.
        advantage_B: One advantage a sequence.
        weight_B: Weight of each token of a sequence in the loss; these sum to at most 1 over tokens and ranks.
        old_logp_BT: Log-probabilities before the first update on this rollout, or None while the policy is
            still the one that sampled (then the ratio is 1 exactly and no extra pass is needed).
        version: Policy version that sampled.
    """

    def __init__(
        self,
        token_N: Tensor,
        position_N: Tensor,
        rows: Rows,
        before_M: Tensor,
        target_M: Tensor,
        mask_BT: Tensor,
        engine_logp_BT: Tensor,
        advantage_B: Tensor,
        weight_B: Tensor,
        old_logp_BT: Tensor | None,
        version: int,
    ) -> None:
        self.token_N = token_N
        self.position_N = position_N
        self.rows = rows
        self.before_M = before_M
        self.target_M = target_M
        self.mask_BT = mask_BT
        self.engine_logp_BT = engine_logp_BT
        self.advantage_B = advantage_B
        self.weight_B = weight_B
        self.old_logp_BT = old_logp_BT
        self.version = version

    def with_old(self, old_logp_BT: Tensor) -> "MicroBatch":
        """The same batch with its old log-probabilities."""
        return MicroBatch(**{**vars(self), "old_logp_BT": old_logp_BT})

    def to(self, device: torch.device, non_blocking: bool = False) -> "MicroBatch":
        """The same batch on `device`; Lightning calls this."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor | Rows) else value
            for name, value in vars(self).items()
        }
        return MicroBatch(**moved)


# --- dealing out ----------------------------------------------------------------------------------------------

Piece = list[Sample]  # completions of one problem that share a prompt


def pieces_of(samples: Sequence[Sample], budget: int) -> list[Piece]:
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
    return len(piece[0].problem.prompt_ids) + sum(len(sample.rollout.token_ids) - 1 for sample in piece)


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


# --- packing --------------------------------------------------------------------------------------------------


def packed(samples: Sequence[Sample], version: int) -> MicroBatch:
    """Pack completions, in the order given. None: a single token of weight 0, inside the graph."""
    if not samples:
        index, zero = torch.zeros(1, dtype=torch.long), torch.zeros(1)
        rows = Rows((index[None],), index)
        return MicroBatch(index, index, rows, index, index, index[None] + 1, zero[None], zero, zero, None, version)
    completions = [sample.rollout.token_ids for sample in samples]
    tokens, place_B3 = _laid_out(samples)
    prompt_B1, length_B1, own_B1 = place_B3[:, :, None].unbind(1)
    size_B1 = torch.tensor([[len(sample.problem.prompt_ids)] for sample in samples])
    # Column c of a row is a prompt token as long as there are any, then one of the completion's own.
    column_S = torch.arange(int((size_B1 + length_B1).max()) - 1)
    index_BS = torch.where(column_S < size_B1, prompt_B1 + column_S, own_B1 + column_S - size_B1)
    real_BS = column_S < size_B1 + length_B1 - 1
    position_N = torch.empty(len(tokens), dtype=torch.long)
    position_N[index_BS[real_BS]] = column_S.expand_as(index_BS)[real_BS]
    mask_BT = torch.arange(int(length_B1.max())) < length_B1
    logp_M = torch.tensor(list(chain.from_iterable(sample.rollout.logps for sample in samples)))
    return MicroBatch(
        token_N=torch.tensor(tokens),
        position_N=position_N,
        rows=_rows(index_BS, real_BS, len(tokens)),
        before_M=index_BS[real_BS & (column_S >= size_B1 - 1)],
        target_M=torch.tensor(list(chain.from_iterable(completions))),
        mask_BT=mask_BT.long(),
        engine_logp_BT=torch.zeros(mask_BT.shape).masked_scatter(mask_BT, logp_M),
        advantage_B=torch.tensor([sample.advantage for sample in samples]),
        weight_B=torch.tensor([sample.weight for sample in samples]),
        old_logp_BT=None,
        version=version,
    )


def _laid_out(samples: Sequence[Sample]) -> tuple[list[int], Tensor]:
    """The packed tokens; for every sample where its prompt starts, its completion's length, where that starts."""
    tokens: list[int] = []
    prompts: dict[str, int] = {}
    places: list[tuple[int, int, int]] = []
    for sample in samples:
        completion = sample.rollout.token_ids
        if sample.problem.id not in prompts:
            prompts[sample.problem.id] = len(tokens)
            tokens += sample.problem.prompt_ids
        places.append((prompts[sample.problem.id], len(completion), len(tokens)))
        tokens += completion[:-1]  # the last one predicts nothing
    return tokens, torch.tensor(places)


def _rows(index_BS: Tensor, real_BS: Tensor, tokens: int) -> Rows:
    """Rows of similar length together, and the way back."""
    size_B, order_B = real_BS.sum(dim=1).sort(descending=True, stable=True)
    tables: list[Tensor] = []
    back_N = torch.empty(tokens, dtype=torch.long)
    flat = 0
    for part in _similar(size_B.tolist()):
        rows, width = order_B[part], int(size_B[part.start])
        table, real = index_BS[rows, :width], real_BS[rows, :width]
        place = torch.arange(flat, flat + table.numel()).view_as(table)
        # By numpy, where of several rows with the same prompt token the last one counts, always.
        back_N.numpy()[table[real].numpy()] = place[real]
        # Padding may be any token; on a GPU gradients of thousands that are all the same one would wait for each other.
        tables.append(table.where(real, place % tokens))
        flat += table.numel()
    return Rows(tuple(tables), back_N)


def _similar(longest_first: list[int]) -> Iterator[slice]:
    """Parts of the rows in which none is much shorter than the first."""
    start = 0
    for index, size in enumerate(longest_first):
        if size < SIMILAR * longest_first[start]:
            yield slice(start, index)
            start = index
    yield slice(start, len(longest_first))
