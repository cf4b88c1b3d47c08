"""What a run leaves about its problems: what was read, what was left out and why, first prompts."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.console import console, is_first_rank
from rlvr.files import write_whole
from rlvr.types import Problem

SHOWN_PROMPTS = 3


@dataclass(frozen=True)
class Fault:
    """A row with something wrong about it.

    Attributes:
        role: The set it belongs to.
        row: Its number in the set, from 0.
        reason: What is wrong, in a few words that are the same for every such row.
        detail: What more there is to say of this one.
        problem: Its text.
        dropped: Whether it was taken out.
    """

    role: str
    row: int
    reason: str
    detail: str
    problem: str
    dropped: bool = True


@dataclass(frozen=True)
class Reading:
    """One set: where it came from, and what became of its rows.

    Attributes:
        role: What the set is for: `train`, `heldout`, or the place of another one in the config.
        source: Path, hub name or task, with what else says which part of it.
        revision: The commit or version that was read, where it is known.
        fingerprint: Hash of the rows.
        rows: How many were read.
        used: How many became problems of the run.
        faults: Every row with something wrong.
    """

    role: str
    source: str
    revision: str | None
    fingerprint: str
    rows: int
    used: int
    faults: tuple[Fault, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have which fault, in the order in which they were found."""
        return dict(Counter(fault.reason for fault in self.faults))

    @property
    def about(self) -> str:
        """Its rows and their faults, counted, in one line."""
        return ", ".join([f"{self.rows} rows", *(f"{count} {reason}" for reason, count in self.counts.items())])


def announce(readings: Sequence[Reading]) -> None:
    """Say in one line what was read."""
    if is_first_rank():
        sets = "; ".join(f"{reading.used} {reading.role} ({reading.about})" for reading in readings)
        console.print(f"Problems: {sets}.", markup=False)


def write_report(
    run_dir: Path, readings: Sequence[Reading], problems: Mapping[str, Sequence[Problem]], tokenizer: Any
) -> None:
    """Write `problems.md` and, where rows have faults, `dropped.csv`; on the first rank only.

    Args:
        run_dir: Where to.
        readings: What was read, if the problems were read and not made.
        problems: The run's problems by role.
        tokenizer: Turns prompts back into what the model sees, special tokens included.
    """
    if not is_first_rank():
        return
    parts = ["# Problems", *([_table(readings)] if readings else []), *_prompts(problems, tokenizer)]
    write_whole(run_dir / "problems.md", "\n\n".join(parts) + "\n")
    if faults := [fault for reading in readings for fault in reading.faults]:
        write_whole(run_dir / "dropped.csv", _csv(faults))


def _table(readings: Sequence[Reading]) -> str:
    reasons = list(dict.fromkeys(reason for reading in readings for reason in reading.counts))
    head = ["set", "read from", "revision", "fingerprint", "rows", "used", *reasons]
    lines = [head, ["---"] * 4 + ["---:"] * (len(head) - 4)]
    for reading in readings:
        counts = [str(reading.counts.get(reason, 0)) for reason in reasons]
        about = [reading.role, reading.source, reading.revision or "-", reading.fingerprint]
        lines.append([*about, str(reading.rows), str(reading.used), *counts])
    table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
    return f"{table}\n\nRows with faults, one by one: `dropped.csv`." if reasons else table


def _prompts(problems: Mapping[str, Sequence[Problem]], tokenizer: Any) -> list[str]:
    """The first prompts of each set, decoded from the very tokens that the model gets."""
    parts = []
    for role, group in problems.items():
        for problem in group[:SHOWN_PROMPTS]:
            text = tokenizer.decode(problem.prompt_ids, clean_up_tokenization_spaces=False)
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            title = f"## {role}: {problem.id}, {len(problem.prompt_ids)} tokens"
            parts.append(f"{title}\n\n{fence}\n{text}\n{fence}")
    return parts


def _csv(faults: Sequence[Fault]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["set", "row", "reason", "detail", "dropped", "problem"])
    for fault in faults:
        start = " ".join(fault.problem.split())[:200]
        writer.writerow([fault.role, fault.row, fault.reason, fault.detail, "yes" if fault.dropped else "no", start])
    return text.getvalue()
