"""Numbers and lists as the answer's sentences say them."""

from collections.abc import Sequence
from math import ceil

from rlvr.eval import Interval


def up(value: float) -> str:
    """A number rounded up to one decimal, so that the study does not seem to find smaller changes than it does."""
    return f"{ceil(10 * value - 1e-9) / 10:.1f}"


def points(interval: Interval) -> str:
    """An interval of shares as text, for example `+12.8 points [10.1, 15.4]`."""
    mean, low, high = (round(100 * value, 1) + 0.0 for value in (interval.mean, interval.low, interval.high))
    return f"{mean:+.1f} points [{low:.1f}, {high:.1f}]"


def per_seed(counts: Sequence[int]) -> str:
    """The counts of all seeds as text, or a single count where all are the same."""
    return listed([f"{count:,}" for count in (counts[:1] if len(set(counts)) == 1 else counts)])


def listed(items: Sequence[str]) -> str:
    """Joins the items as `A, B and C`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
