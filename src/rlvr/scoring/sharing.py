"""Which rank learns from which sample: all are told the lengths, and each sample travels to one rank only."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from rlvr.ranks import Ranks
from rlvr.scoring.dealing import deal, micro_batches, pieces_of
from rlvr.step.samples import TrainingSample


class Place(NamedTuple):
    """Where a sample is, and what dealing it out takes.

    Attributes:
        rank: The rank that holds it.
        number: Which one there, among the samples of all optimizer steps.
        problem_id: Of the problem.
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens of the completion.
    """

    rank: int
    number: int
    problem_id: str
    prompt_tokens: int
    completion_tokens: int


def shared_out(
    steps: Sequence[Sequence[TrainingSample]], budget: int, ranks: Ranks
) -> list[list[list[TrainingSample]]]:
    """This rank's micro-batches of every optimizer step: a collective.

    All ranks pool their samples and each takes about as many tokens. Every step gets as many micro-batches as the
    fullest needs, on every rank.

    Args:
        steps: This rank's samples of each optimizer step.
        budget: Packed tokens of a micro-batch.
        ranks: This one among all.
    """
    held = list(chain.from_iterable(steps))
    number = iter(range(len(held)))
    mine = [[_place(sample, ranks.rank, next(number)) for sample in step] for step in steps]
    told = ranks.all_gather([mine])
    pieces = [pieces_of(list(chain.from_iterable(step)), budget) for step in zip(*told, strict=True)]
    count = max(micro_batches(of_step, budget, ranks.size) for of_step in pieces)
    dealt = list(chain.from_iterable(deal(of_step, count * ranks.size) for of_step in pieces))
    wanted = [list(chain.from_iterable(chain.from_iterable(dealt[rank :: ranks.size]))) for rank in range(ranks.size)]
    sent = [[held[place.number] for place in of_rank if place.rank == ranks.rank] for of_rank in wanted]
    sent = [of_rank if to == ranks.rank else list(map(_without_texts, of_rank)) for to, of_rank in enumerate(sent)]
    # What comes from a rank comes in the order in which it is wanted.
    received = [iter(of_rank) for of_rank in ranks.exchange(sent)]
    got = [
        [next(received[place.rank]) for piece in part for place in piece] for part in dealt[ranks.rank :: ranks.size]
    ]
    return [got[start : start + count] for start in range(0, len(got), count)]


def _place(sample: TrainingSample, rank: int, number: int) -> Place:
    return Place(rank, number, sample.problem_id, sample.prompt_tokens, sample.completion_tokens)


def _without_texts(sample: TrainingSample) -> TrainingSample:
    """As the policy reads it."""
    problem, completion = replace(sample.problem, prompt="", answer=""), replace(sample.completion, text="")
    return replace(sample, problem=problem, completion=completion)
