"""Decides which runs are needed next: first every learning rate with one seed, then more seeds for the best."""

from collections.abc import Collection
from dataclasses import dataclass

from rlvr.eval.bootstrap import FloatArray
from studies.frontier.curve import area, reach
from studies.frontier.record import read
from studies.frontier.setting import CHOOSING, HIGHEST, LOWEST, Run, Study
from studies.frontier.way import Way, guessed

WORTH = 0.02  # share of a method's area that a second learning rate must add


def wanted(study: Study, done: Collection[Run]) -> list[Run]:
    """The runs that are needed now, in order; empty when the study is complete. Depends on the records alone."""
    task = study.task
    first = [Run(method, rate, CHOOSING, task) for rate in study.rates for method in study.methods]
    if missing := [run for run in first if run not in done]:
        return missing
    rates = {method: tried(done, method) for method in study.methods}
    if wider := [Run(method, rate, CHOOSING, task) for method in study.methods for rate in widened(rates[method])]:
        return wider
    chosen = [(method, rate) for method in study.methods for rate in choose(rates[method], study.chosen)]
    for settings in (chosen, study.later):
        fresh = [Run(method, rate, seed, task) for seed in study.fresh for method, rate in settings]
        if missing := [run for run in fresh if run not in done]:
            return missing
    return []


@dataclass(frozen=True)
class Tried:
    """The results of a learning rate with the choosing seed.

    Attributes:
        reach_L: Pass@256 at each level of Pass@1.
        base: The base's Pass@1.
        guess: Pass@256 of blind guessing.
    """

    reach_L: FloatArray
    base: float
    guess: float


def tried(done: Collection[Run], method: str) -> dict[float, Tried]:
    """The results of every learning rate that was trained with the choosing seed."""
    found = {}
    for run in sorted(run for run in done if run.method == method and run.seed == CHOOSING):
        record = read(run)
        way = Way.of(record)
        way_L = reach(way.one_T, way.many_TP.mean(axis=1))
        found[run.rate] = Tried(way_L, float(way.one_T[0]), guessed(record))
    return found


def widened(rates: dict[float, Tried]) -> list[float]:
    """A further learning rate, where the best of those tried is the lowest or the highest of them."""
    ordered = sorted(rates)
    best = max(ordered, key=lambda rate: worth(rates, [rate]))
    beyond = {ordered[0]: ordered[0] / 2, ordered[-1]: ordered[-1] * 2}.get(best)
    return [beyond] if beyond is not None and LOWEST <= beyond <= HIGHEST else []


def choose(rates: dict[float, Tried], most: int) -> list[float]:
    """The rates that together dominate the largest area, chosen one after the other, while each adds enough."""
    chosen: list[float] = []
    while len(chosen) < min(most, len(rates)):
        best = max((rate for rate in rates if rate not in chosen), key=lambda rate: worth(rates, [*chosen, rate]))
        if chosen and worth(rates, [*chosen, best]) - worth(rates, chosen) <= WORTH * abs(worth(rates, chosen)):
            break
        chosen.append(best)
    return chosen


def worth(rates: dict[float, Tried], chosen: Collection[float]) -> float:
    """The area of the chosen rates together. Where it is 0, a lower rate is worth more, since it loses less."""
    any_of = next(iter(rates.values()))
    found = area([rates[rate].reach_L for rate in chosen], any_of.base, any_of.guess)
    return found if found > 0 else -min(chosen)
