"""Writes what checks found: a JSON file for programs, a Markdown file for people, both without personal data."""

import json
import platform
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rlvr.files import write_whole

Status = Literal["passed", "failed", "skipped", "not run"]


@dataclass(frozen=True)
class Finding:
    """The result that a check returns.

    Attributes:
        passed: Whether all that was judged holds.
        why: One sentence: what was seen, or what does not hold.
        numbers: What was measured, units in the names.
    """

    passed: bool
    why: str
    numbers: dict[str, Any]


class SkipError(Exception):
    """Raised by a check that can't run here; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """One line of the table.

    Attributes:
        name: The check's name.
        title: What it looks at.
        status: `not run` while its turn has not come.
        why: One sentence.
        seconds: Wall clock of the whole process, imports included.
        numbers: See `Finding`.
    """

    name: str
    title: str
    status: Status
    why: str
    seconds: float
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """One start of the command.

    Attributes:
        device: Name of the GPU, or `CPU`.
        date: Day, ISO.
        commit: Of the source tree; `unknown` outside git.
        outcomes: In the order of the registry.
    """

    device: str
    date: str
    commit: str
    outcomes: tuple[Outcome, ...]

    def with_outcome(self, outcome: Outcome) -> "Report":
        """The same report with one line filled in."""
        return replace(self, outcomes=tuple(outcome if o.name == outcome.name else o for o in self.outcomes))

    def count(self, status: Status) -> int:
        """Lines of one status."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def good(self) -> bool:
        """Whether every check had its turn and none failed."""
        return not self.count("failed") and not self.count("not run")

    @property
    def summary(self) -> str:
        """The counts, in one line."""
        counts = ((status, self.count(status)) for status in ("passed", "failed", "skipped", "not run"))
        return ", ".join(f"{count} {status}" for status, count in counts if count or status != "not run")

    def write(self, folder: Path) -> Path:
        """Both files, named by device and date; each is replaced as a whole. Returns the Markdown's path."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.device.lower()).strip("-")
        stem = folder / f"{slug}-{self.date}"
        write_whole(stem.with_suffix(".json"), json.dumps(asdict(self), indent=1) + "\n")
        write_whole(stem.with_suffix(".md"), self.markdown())
        return stem.with_suffix(".md")

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Read a report from its JSON file."""
        fields = json.loads(path.read_text())
        outcomes = tuple(Outcome(**outcome) for outcome in fields.pop("outcomes"))
        return cls(outcomes=outcomes, **fields)

    def markdown(self) -> str:
        """The table, and the numbers of every check below it."""
        head = f"# gpu-check on {self.device}, {self.date}\n\n`make gpu-check` at commit {self.commit}: {self.summary}."
        rows = [
            f"| {o.name} | {o.title} | {o.status} | {o.why.replace('|', '/')} | {o.seconds:.0f} |"
            for o in self.outcomes
        ]
        table = "\n".join(["| check | what | result | seen | s |", "| --- | --- | --- | --- | ---: |", *rows])
        parts = [
            f"## {o.name}\n\n| number | value |\n| --- | ---: |\n"
            + "\n".join(f"| {name} | {shown(value)} |" for name, value in o.numbers.items())
            for o in self.outcomes
            if o.numbers
        ]
        return "\n\n".join([head, table, *parts]) + "\n"


def shown(value: Any) -> str:
    """A number with three digits that count; anything else as it is."""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value).replace("|", "/")


def anonymous(text: str) -> str:
    """A text without folders and host names: only the last part of a path is left."""
    text = re.sub(r"(?<![\w.:/])(?:~|/[\w.+@-]+)(?:/[\w.+@-]+)+", lambda found: Path(found[0]).name, text)
    host = platform.node()
    return text.replace(host, "host") if len(host) > 2 else text
