"""Tables: for the terminal, and as Markdown that can be pasted into a paper."""

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

Row = dict[str, str | int | float | None]
"""A line of a CSV by its columns."""


@dataclass(frozen=True)
class Grid:
    """A title, a header and rows of text; it can be shown in two ways."""

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
        escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in lines]  # a problem's name may hold one
        return title + "\n".join(f"| {' | '.join(cells)} |" for cells in escaped) + "\n"
