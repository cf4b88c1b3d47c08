"""Defines the parts of the report, and writes it as Markdown and as HTML that needs no network."""

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
from PIL import Image

from rlvr.files import write_whole
from rlvr.report.figures import STYLE, canvas
from rlvr.tables import Grid, Row

REM_AN_INCH = 7.2


@dataclass(frozen=True)
class Note:
    """A paragraph of text."""

    text: str
    kind: str = "note"


@dataclass(frozen=True)
class Table:
    """A table, with the CSV that holds its numbers.

    Attributes:
        grid: Title, head and cells.
        csv: Path of the CSV in the report's folder.
        folded: Whether the page hides the table until a click; in print it is hidden unless it was opened.
        wraps: Whether cells hold text that is broken into lines of the column's width.
    """

    grid: Grid
    csv: str
    folded: bool = False
    wraps: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A figure, with the CSV that holds its numbers."""

    name: str
    caption: str
    csv: str
    kind: str = "figure"


@dataclass(frozen=True)
class Side:
    """Completions of one policy on a problem.

    Attributes:
        policy: Name of the policy.
        right: How many of how many completions are right, as text.
        texts: (verdict, how often it was written, text).
    """

    policy: str
    right: str
    texts: Sequence[tuple[str, int, str]]


@dataclass(frozen=True)
class Pair:
    """The completions of two policies on one problem, shown side by side."""

    title: str
    prompt: str
    sides: tuple[Side, Side]
    kind: str = "pair"


Block = Note | Table | Figure | Pair


@dataclass
class Section:
    """A heading and the blocks below it."""

    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Sentence:
    """One sentence of the answer, and the title of the section with its table."""

    text: str
    section: str


@dataclass(frozen=True)
class Answer:
    """The conclusions for one set of problems, which stand before all tables.

    Attributes:
        title: Title, with the name of the set.
        sentences: Conclusions with their intervals, each with the section that it links to.
        note: Explains the intervals.
    """

    title: str
    sentences: Sequence[Sentence]
    note: str


@dataclass
class Output:
    """A report's folder, to which sections add their files."""

    folder: Path

    def csv(self, name: str, rows: Sequence[Row]) -> str:
        """Write `csv/<name>.csv` with every key of the rows as a column, and return its path in the folder."""
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
        """Give axes to draw on, and save them as `figures/<name>.png` and `.pdf`; `size` of each is in inches."""
        with canvas(self.folder / "figures" / f"{name}.png", columns, rows, size) as axes:
            yield axes

    def write(self, title: str, answers: Sequence[Answer], lines: Sequence[str], sections: Sequence[Section]) -> None:
        """Write `report.html`, which contains the figures, and `report.md`, which links to them."""
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
        """The figure with at most 256 colours, which look the same and take a third of the bytes."""
        held = io.BytesIO()
        with Image.open(self._png(figure)) as image:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(held, "png", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"

    def _width_rem(self, figure: str) -> float:
        """Width of a figure on the page, in rem. It keeps the size of letters the same in all figures."""
        with Image.open(self._png(figure)) as image:
            return round(REM_AN_INCH * image.width / STYLE["figure.dpi"], 1)

    def _png(self, figure: str) -> Path:
        return self.folder / "figures" / f"{figure}.png"


def _slug(title: str) -> str:
    """The anchor that Markdown gives a heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
