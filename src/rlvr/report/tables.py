"""Makes the tables of runs, and the text of intervals in cells."""

from rlvr.eval import Interval, SplitRecord
from rlvr.tables import Grid, Row

TABLE_KS = (1, 4, 16, 64, 256, 1024)
DIGITS = 3  # decimals of a share: a claim must also hold for the numbers as shown, in tenths of a point


def run_table(label: str, name: str, split: SplitRecord) -> Grid:
    """Table of Pass@k of base, trained policy and their paired difference at a few k.

    Values are in percent, with 95 % intervals over problems.
    """
    assert split.trained is not None
    ks = shown_ks(split.base.n)
    base, trained = split.base.intervals(), split.trained.intervals()
    rows = [
        ["base", *(with_interval(base[k]) for k in ks)],
        [label, *(with_interval(trained[k]) for k in ks)],
        ["difference", *(with_interval(split.difference(k), signed=True) for k in ks)],
    ]
    if split.guess_rate is not None:
        rows.insert(0, ["random guess", *(f"{100 * split.guess_pass_at(k):.1f}" for k in ks)])
    title = f"Pass@k on {len(split.base.problem_ids)} {name} problems, % [95 % interval]"
    return Grid(title, ["", *(f"k={k}" for k in ks)], rows)


def shown_ks(n: int) -> list[int]:
    """The values of k that tables show; the last is n."""
    return [*(k for k in TABLE_KS if k < n), n]


def with_interval(interval: Interval, signed: bool = False) -> str:
    """The interval in percent as text: `27.9 [25.1, 30.2]`, or `+3.1* [0.4, 5.9]` for a difference.

    The star is that of the numbers shown, as in the answer's sentences: one that ends at 0.0 has none.
    """
    sign = "+" if signed else ""
    star = "*" if signed and rounded(interval).excludes_zero else ""
    mean, low, high = (round(100 * value, 1) + 0.0 for value in (interval.mean, interval.low, interval.high))
    return f"{mean:{sign}.1f}{star} [{low:.1f}, {high:.1f}]"  # rounded first, so that no -0.0 is shown


def rounded(interval: Interval) -> Interval:
    """The interval rounded as text shows it."""
    return Interval(*(round(value, DIGITS) for value in (interval.mean, interval.low, interval.high)))


def interval_of(row: Row) -> Interval:
    """The interval that a row holds."""
    return Interval(*(float(str(row[name])) for name in ("mean", "low", "high")))


def share(interval: Interval) -> Interval:
    """The interval of a share, cut off at 0 and 1."""
    return Interval(interval.mean, max(interval.low, 0.0), min(interval.high, 1.0))
