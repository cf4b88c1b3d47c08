"""Tables: for the terminal, and as Markdown that can be pasted into a paper."""

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlvr.eval import Interval, SplitRecord

TABLE_KS = (1, 4, 16, 64, 256, 1024)
Row = dict[str, str | int | float | None]
"""A line of a CSV by its columns."""


@dataclass(frozen=True)
class Grid:
    """A title, a header and rows of text; knows how to show itself twice."""

    title: str
    header: list[str]
    rows: list[list[str]]

    def rich(self) -> Group:
        """For the terminal."""
        table = Table(
            box=SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for index, name in enumerate(self.header):
            table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
        for name, *cells in self.rows:
            # The interval goes below its mean, so that five columns fit a terminal of 80.
            table.add_row(name, *(cell.replace(" [", "\n[").replace(", ", ",") for cell in cells))
        # Not the table's own title, which would be broken to a narrow table's width.
        return Group(Text(self.title, style="bold"), table)

    def markdown(self, titled: bool = True) -> str:
        """For a page."""
        lines = [self.header, ["---"] + ["---:"] * (len(self.header) - 1), *self.rows]
        title = f"**{self.title}**\n\n" if titled else ""
        return title + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def run_table(label: str, name: str, split: SplitRecord) -> Grid:
    """Base, trained and their paired difference, at a few k, in percent with 95 % intervals over problems."""
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
    """The k that tables show, n among them."""
    return [*(k for k in TABLE_KS if k < n), n]


def with_interval(interval: Interval, signed: bool = False) -> str:
    """For example `27.9 [25.1, 30.2]`, or `+3.1* [0.4, 5.9]` for a difference."""
    sign = "+" if signed else ""
    star = "*" if signed and interval.excludes_zero else ""
    mean, low, high = (round(100 * value, 1) + 0.0 for value in (interval.mean, interval.low, interval.high))
    return f"{mean:{sign}.1f}{star} [{low:.1f}, {high:.1f}]"  # rounded first, so that no -0.0 is shown


def interval_of(row: Row) -> Interval:
    """The interval that a row holds."""
    return Interval(*(float(str(row[name])) for name in ("mean", "low", "high")))
