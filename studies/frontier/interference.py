"""What an update does to right answers to problems outside of it, method by method."""

from collections.abc import Mapping, Sequence

import numpy as np

from rlvr.eval.difficulty import BIN_NAMES
from rlvr.tables import Grid
from studies.frontier.record import interference
from studies.frontier.setting import METHODS, Run

Means = Mapping[str, Sequence[float]]


def table(chosen: Mapping[str, Sequence[Run]]) -> Grid:
    """The change of log p by an update, and the drift since the base at the end, with a row for each method.

    Args:
        chosen: The runs of one learning rate, one for each seed, by method. Those without a measurement are left out.
    """
    measured = {method: [found for run in runs if (found := interference(run))] for method, runs in chosen.items()}
    bins = [index for index in range(len(BIN_NAMES)) if any(_has(found, index) for found in measured.values())]
    rows = [
        [
            *(METHODS[method].label, f"{chosen[method][0].rate:g}"),
            _shown([1e4 * float(np.mean(one["interference/inside"])) for one in found]),
            *(_shown([1e4 * float(np.mean(one[f"interference/{index}"])) for one in found]) for index in bins),
            *(_shown([one[f"interference/drift_{index}"][-1] for one in found]) for index in bins),
        ]
        for method, found in measured.items()
        if found
    ]
    header = [
        *("", "learning rate", "an update, inside"),
        *(f"outside, base {BIN_NAMES[index]}" for index in bins),
        *(f"drift in all, base {BIN_NAMES[index]}" for index in bins),
    ]
    return Grid("Change of log p of right answers: 1e-4 nats an update; drift at the end, nats", header, rows)


def _has(found: Sequence[Means], index: int) -> bool:
    """Whether every run has answers in a bin."""
    return bool(found) and all(f"interference/{index}" in one for one in found)


def _shown(value_S: Sequence[float]) -> str:
    """The mean over seeds, with its standard error where there are several."""
    mean = f"{np.mean(value_S):+.2f}"
    return f"{mean} +- {np.std(value_S, ddof=1) / len(value_S) ** 0.5:.2f}" if len(value_S) > 1 else mean
