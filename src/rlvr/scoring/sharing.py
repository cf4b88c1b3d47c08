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
    mine = list(chain.from_iterable(steps))
    number = iter(range(len(mine)))
    places = ranks.all_gather([[[_place(sample, ranks.rank, next(number)) for sample in step] for step in steps]])
    pieces = [pieces_of(list(chain.from_iterable(step)), budget) for step in zip(*places, strict=True)]
    count = max(micro_batches(of_step, budget, ranks.size) for of_step in pieces)
    dealt = list(chain.from_iterable(deal(of_step, count * ranks.size) for of_step in pieces))
    batches = [list(chain.from_iterable(part)) for part in dealt]  # dealt to the ranks in turn
    sent: list[list[TrainingSample]] = []
    for rank in range(ranks.size):
        from_here = [place for batch in batches[rank :: ranks.size] for place in batch if place.rank == ranks.rank]
        samples = [mine[place.number] for place in from_here]
        sent.append(samples if rank == ranks.rank else list(map(_without_texts, samples)))
    # What comes from a rank comes in the order of the batches here.
    received = [iter(samples) for samples in ranks.exchange(sent)]
    learned = [[next(received[place.rank]) for place in batch] for batch in ranks.shard(batches)]
    return [learned[start : start + count] for start in range(0, len(learned), count)]


def _place(sample: TrainingSample, rank: int, number: int) -> Place:
    return Place(rank, number, sample.problem_id, sample.prompt_tokens, sample.completion_tokens)


def _without_texts(sample: TrainingSample) -> TrainingSample:
    """As the policy reads it."""
    problem, completion = replace(sample.problem, prompt="", answer=""), replace(sample.completion, text="")
    return replace(sample, problem=problem, completion=completion)
