"""The report as a page: what it is made of, and how it becomes HTML that needs no network, and Markdown."""

import base64
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib.axes import Axes

from rlvr.files import write_whole
from rlvr.report.figures import STYLE, canvas
from rlvr.tables import Grid, Row

REM_AN_INCH = 7.2


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Table:
    """A table, with the CSV that holds its numbers; folded away where it is long.

    Attributes:
        grid: Title, head and cells.
        csv: Place of the CSV in the report's folder.
        folded: Shown on a click, and in print.
        wraps: Its cells are text, broken to the column's width.
    """

    grid: Grid
    csv: str
    folded: bool = False
    wraps: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A figure, with the CSV of what it shows."""

    name: str
    caption: str
    csv: str
    kind: str = "figure"


@dataclass(frozen=True)
class Side:
    """Completions of one policy on a problem.

    Attributes:
        policy: Its name.
        right: How many of how many are right.
        texts: (verdict, how often, text).
    """

    policy: str
    right: str
    texts: Sequence[tuple[str, int, str]]


@dataclass(frozen=True)
class Pair:
    """One problem, two policies side by side."""

    title: str
    prompt: str
    sides: tuple[Side, Side]
    kind: str = "pair"


Block = Note | Table | Figure | Pair


@dataclass
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Sentence:
    """A part of the answer, and the title of the section that holds its table."""

    text: str
    section: str


@dataclass(frozen=True)
class Answer:
    """What the numbers say of one set of problems, before any table.

    Attributes:
        title: The set.
        sentences: Each with its intervals and a link.
        note: What the intervals are of.
    """

    title: str
    sentences: Sequence[Sentence]
    note: str


@dataclass
class Output:
    """A report's folder, to which sections add their files."""

    folder: Path

    def csv(self, name: str, rows: Sequence[Row]) -> str:
        """Write `csv/<name>.csv` with every key of the rows as a column; returns its place in the folder."""
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.folder / "csv" / f"{name}.csv", text.getvalue())
        return f"csv/{name}.csv"

    @contextmanager
    def figure(
        self, name: str, columns: int = 1, rows: int = 1, size: tuple[float, float] = (4.6, 3.4)
    ) -> Iterator[list[Axes]]:
        """Axes to draw on, left as `figures/<name>.png` and `.pdf`; `size` is that of one of them, in inches."""
        with canvas(self.folder / "figures" / f"{name}.png", columns, rows, size) as axes:
            yield axes

    def write(self, title: str, answers: Sequence[Answer], lines: Sequence[str], sections: Sequence[Section]) -> None:
        """Write `report.html`, figures inside it, and `report.md` beside the figures."""
        pages = Environment(
            loader=PackageLoader("rlvr.report", "pages"),
            autoescape=select_autoescape(["html.jinja"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        pages.filters |= {"data_uri": self._data_uri, "width_rem": self._width_rem, "slug": _slug}
        told = {"title": title, "answers": answers, "lines": lines, "sections": sections}
        for name in ("report.html", "report.md"):
            page = pages.get_template(f"{name}.jinja").render(told)
            write_whole(self.folder / name, page)

    def _data_uri(self, figure: str) -> str:
        return f"data:image/png;base64,{base64.b64encode(self._png(figure)).decode()}"

    def _width_rem(self, figure: str) -> float:
        """Width on the page, so that letters are as large in every figure."""
        inches = int.from_bytes(self._png(figure)[16:20], "big") / STYLE["figure.dpi"]
        return round(REM_AN_INCH * inches, 1)

    def _png(self, figure: str) -> bytes:
        return (self.folder / "figures" / f"{figure}.png").read_bytes()


def _slug(title: str) -> str:
    """The anchor that Markdown gives a heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
