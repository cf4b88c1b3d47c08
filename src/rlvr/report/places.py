"""Finds the places on runs' paths where methods have equal tokens, equal Pass@1 or equal KL to the base."""

from collections.abc import Mapping, Sequence

import numpy as np

from rlvr.report.compare import Values
from rlvr.report.paths import Place, RunPath, common_gain, first_at, place_at

Paths = Mapping[str, Sequence[RunPath]]
"""The paths of each method's runs, in the order of seeds."""
Places = dict[str, list[Place]]
"""The places of each method, one for each seed."""


def at_places(paths: Paths, places: Mapping[str, Sequence[Place]]) -> dict[str, Values]:
    """Pass@k of each seed and problem, for the base and for each method at its places."""
    first = next(iter(paths.values()))
    ks = list(first[0].pass_KTP)
    values: dict[str, Values] = {"base": {k: np.stack([path.pass_KTP[k][0] for path in first]) for k in ks}}
    for label, there in places.items():
        found = [path.there(place) for path, place in zip(paths[label], there, strict=True)]
        values[label] = {k: np.stack([at[k] for at in found]) for k in ks}
    return values


def token_places(paths: Paths, share: float) -> Places | None:
    """Places where each run has generated a `share` of all tokens of the cheapest run of its seed.

    None where the numbers of tokens are not known.
    """
    if any(path.token_T is None for those in paths.values() for path in those):
        return None
    places: Places = {label: [] for label in paths}
    for of_seed in zip(*paths.values(), strict=True):
        budget = share * min(float(path.token_T[-1]) for path in of_seed if path.token_T is not None)
        for path in of_seed:
            assert path.token_T is not None
            places[path.label].append(place_at(path.token_T, budget))
    return places


def gain_places(paths: Paths, share: float) -> Places:
    """Places where each run first has a `share` of the gain of Pass@1 that all runs of its seed reach.

    Methods with a run that never rises above its base are left out.
    """
    gaining = {label: those for label, those in paths.items() if all(p.curve(1).max() > p.curve(1)[0] for p in those)}
    places: Places = {label: [] for label in gaining}
    for of_seed in zip(*gaining.values(), strict=True):
        base = float(of_seed[0].curve(1)[0])
        level = base + share * (common_gain(of_seed) - base)
        for path in of_seed:
            place = first_at(path.curve(1), level)
            assert place is not None  # the level is below the path's own best
            places[path.label].append(place)
    return places


def kl_places(paths: Paths, share: float) -> Places | None:
    """Places where each run first has a `share` of the KL to the base that all runs of its seed reach.

    None where KL was not measured.
    """
    if any(path.kl_T is None for those in paths.values() for path in those):
        return None
    places: Places = {label: [] for label in paths}
    for of_seed in zip(*paths.values(), strict=True):
        level = share * min(float(path.kl_T.max()) for path in of_seed if path.kl_T is not None)
        for path in of_seed:
            assert path.kl_T is not None
            place = first_at(path.kl_T, level)
            assert place is not None  # the level is below the path's own largest
            places[path.label].append(place)
    return places


def kl_at(paths: Paths, places: Places) -> float:
    """KL to the base at the places, mean over seeds. It is the same for all methods."""
    label = next(iter(places))
    pairs = zip(paths[label], places[label], strict=True)
    return float(np.mean([place.of(path.kl_T) for path, place in pairs if path.kl_T is not None]))
