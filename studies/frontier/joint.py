"""The joint frontier: which methods may be the best at an equal gain of Pass@1, and which surely are not."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from rlvr.eval.bands import excluding, simultaneous
from rlvr.eval.bootstrap import FloatArray
from rlvr.tables import Grid
from studies.frontier.frontier import Frontier


def behind(value_ALSP: Mapping[str, Mapping[float, FloatArray]]) -> dict[float, dict[str, list[str]]]:
    """By level and method, the methods that are surely above it there.

    All pairs of methods at all levels are compared with one simultaneous 95 % band, so that one study in twenty names
    any method wrongly. A method that is behind none may be the best: that is all that its place here says.

    Args:
        value_ALSP: By method and level, values [S, P]; a method that does not reach a level lacks it.
    """
    level_L = sorted({level for values in value_ALSP.values() for level in values})
    there = {level: [name for name, values in value_ALSP.items() if level in values] for level in level_L}
    pairs = [(level, *pair) for level in level_L for pair in combinations(there[level], 2)]
    found: dict[float, dict[str, list[str]]] = {level: {name: [] for name in there[level]} for level in level_L}
    if not pairs:
        return found
    difference_QSP = np.stack([value_ALSP[one][level] - value_ALSP[other][level] for level, one, other in pairs])
    for (level, one, other), sign in zip(pairs, excluding(simultaneous(difference_QSP).intervals), strict=True):
        if sign:
            above, below = (one, other) if sign > 0 else (other, one)
            found[level][below].append(above)
    return found


def table(found: Mapping[str, Frontier], shown: Sequence[float]) -> Grid:
    """A row for each gain: the method with the highest mean, those that may be the best, and those surely below one."""
    value_ALSP: dict[str, dict[float, FloatArray]] = {}
    for frontier in found.values():
        levels = [level for level in frontier.levels if any(np.isclose(level, shown))]
        at = {level: frontier.at(level) for level in levels}
        value_ALSP[frontier.label] = {level: value for level, value in at.items() if value is not None}
    rows = []
    for level, below in behind(value_ALSP).items():
        best = max(below, key=lambda name: value_ALSP[name][level].mean())
        may = [name for name, above in below.items() if not above]
        surely = [f"{name} (below {', '.join(above)})" for name, above in below.items() if above]
        rows.append([f"{100 * level:.1f}", best, "; ".join(may), "; ".join(surely) or "none"])
    header = ["Pass@1 gained, points", "highest mean", "may be the best", "surely below another"]
    return Grid("The joint frontier, all pairs at all gains in one 95 % band", header, rows)
