"""Shows f(p), the weight of a problem by its success rate, for several methods: tables, a CSV and a figure."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from rlvr.eval.bootstrap import FloatArray
from rlvr.files import write_whole
from rlvr.report.figures import COLOURS, canvas, colours_of
from rlvr.tables import Grid, Row

if TYPE_CHECKING:  # a report only reads the numbers and may be installed without torch
    from rlvr.algo.profile import Profile

NUMBERS = "f_of_p.csv"
TABLE_RATES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95)
TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
SAME = 2e-3  # curves that differ by at most this share of the largest value are drawn as one line
LINE, WIDTH = 0.18, 48  # height of a legend line in inches, and its length in letters
DASHES = ("-", "--", ":")
Quantity = Callable[["Profile"], FloatArray]
Lines = list[tuple[list[str], FloatArray]]
Styles = dict[str, tuple[str, str]]


def rates() -> list[float]:
    """The success rates p of the tables, and more for a smooth curve over log-odds, in rising order."""
    curve = 1 / (1 + np.exp(-np.linspace(np.log(1 / 999), np.log(999), 121)))
    return sorted({*TABLE_RATES, *(round(float(rate), 6) for rate in curve)})


def absolute(profile: "Profile") -> FloatArray:
    """f(p)."""
    weight: FloatArray = profile.weight_R.numpy()
    return weight


def relative(profile: "Profile") -> FloatArray:
    """f(p)/f(.5), the weight relative to that of a problem solved half of the time; NaN where f(.5) is 0."""
    half = float(profile.weight_R[profile.rate_R == 0.5])
    return absolute(profile) / half if half else np.full(len(profile.weight_R), np.nan)


def profile_tables(profiles: Mapping[str, "Profile"]) -> list[Grid]:
    """Tables of f(p)/f(.5) and of f(p) at `TABLE_RATES`, with one row for each method."""
    header = ["p", *(f"{rate:g}".lstrip("0") for rate in TABLE_RATES)]

    def table(title: str, quantity: Quantity, digits: int) -> Grid:
        return Grid(title, header, [[label, *_cells(one, quantity, digits)] for label, one in profiles.items()])

    return [table("f(p)/f(.5)", relative, 2), table("f(p)", absolute, 3)]


def write_profiles(profiles: Mapping[str, "Profile"], folder: Path) -> None:
    """Write `f_of_p.csv` with all numbers, and the figure as `f_of_p.png` and `.pdf`."""
    write_numbers(profiles, folder)
    panels = {"f(p) / f(.5)": _lines(profiles, relative), "f(p)": _lines(profiles, absolute)}
    spelled = [[_spelled(labels) for labels, _ in lines] for lines in panels.values()]
    height = 3.2 + LINE * max(len("\n".join(names).splitlines()) for names in spelled)
    styles = _styles(list(dict.fromkeys(_lead(labels) for lines in panels.values() for labels, _ in lines)))
    with canvas(folder / "f_of_p.png", 2, 1, (4.2, height)) as both:
        for axes, (name, lines) in zip(both, panels.items(), strict=True):
            _draw(axes, profiles, lines, name, styles)


def write_numbers(profiles: Mapping[str, "Profile"], folder: Path) -> None:
    """Write only `f_of_p.csv`. A run does this for its own method."""
    rows = [row for label, profile in profiles.items() for row in _rows(label, profile)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(folder / NUMBERS, text.getvalue())


def read_sizes(folder: Path) -> tuple[FloatArray, FloatArray] | None:
    """Success rates p, and the mean |A| at each, from a run's `f_of_p.csv`; None where there is no such file."""
    if not (folder / NUMBERS).is_file():
        return None
    with (folder / NUMBERS).open(newline="") as file:
        rate_R, size_R = np.array([[float(row["p"]), float(row["size"])] for row in csv.DictReader(file)]).T
    return rate_R, size_R


def _cells(profile: "Profile", quantity: Quantity, digits: int) -> list[str]:
    values = dict(zip(profile.rate_R.tolist(), quantity(profile).tolist(), strict=True))
    return ["-" if np.isnan(values[rate]) else f"{values[rate]:.{digits}f}" for rate in TABLE_RATES]


def _rows(label: str, profile: "Profile") -> list[Row]:
    columns: dict[str, list[float]] = {
        "p": profile.rate_R.tolist(),
        "f": profile.weight_R.tolist(),
        "f_relative": relative(profile).tolist(),
        "variance": profile.variance_R.tolist(),
        "silent_share": profile.silent_R.tolist(),
        "size": profile.size_R.tolist(),
    }
    lines = zip(*columns.values(), strict=True)
    return [{"method": label, **{name: f"{x:.6g}" for name, x in zip(columns, line, strict=True)}} for line in lines]


def _draw(axes: Axes, profiles: Mapping[str, "Profile"], lines: Lines, name: str, styles: Styles) -> None:
    for labels, curve in lines:
        colour, dashes = styles[_lead(labels)]
        rate_R = profiles[labels[0]].rate_R.numpy()
        axes.plot(rate_R, curve, color=colour, linestyle=dashes, label=_spelled(labels))
    axes.set_xscale("logit")
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(TICKS, [f"{tick:g}".lstrip("0") for tick in TICKS])
    axes.set_xlim(TICKS[0], TICKS[-1])
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("p, chance that the policy solves the problem")
    axes.set_ylabel(name)
    if lines:  # the legend is below, since curves may be anywhere in the panel
        below = axes.transAxes + ScaledTranslation(0, -0.45, axes.figure.dpi_scale_trans)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=below)


def _spelled(labels: Sequence[str]) -> str:
    return "\n".join(wrap(", ".join(labels), WIDTH))


def _lead(labels: Sequence[str]) -> str:
    """The method that gives a shared line its colour: the first in `COLOURS`, else the first of all."""
    return next((label for label in labels if label in COLOURS), labels[0])


def _styles(labels: Sequence[str]) -> Styles:
    """Colour and dashes of each line. Lines of the same colour get different dashes."""
    uses: Counter[str] = Counter()
    found = {}
    for label, colour in zip(labels, colours_of(labels), strict=True):
        found[label] = colour, DASHES[uses[colour] % len(DASHES)]
        uses[colour] += 1
    return found


def _lines(profiles: Mapping[str, "Profile"], quantity: Quantity) -> Lines:
    """The curves, each with the methods that share it. Curves that contain NaN are left out."""
    found: Lines = []
    for label, profile in profiles.items():
        curve = quantity(profile)
        same = [labels for labels, other in found if np.allclose(other, curve, rtol=0, atol=SAME * np.abs(other).max())]
        if same:
            same[0].append(label)
        elif not np.isnan(curve).any():
            found.append(([label], curve))
    return found
