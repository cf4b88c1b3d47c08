"""Which rows of a problem set can be used, and why the others can't."""

import hashlib
import re
from collections.abc import Mapping, Sequence

from rlvr.data.reading import Row, Table
from rlvr.data.report import Fault, Reading
from rlvr.data.source import Readable
from rlvr.errors import ConfigError

# LaTeX that leaves nothing on the page by itself: spacing, braces, dollars, the box.
_INVISIBLE = re.compile(r"\\(?:boxed|quad|qquad|left|right|[,;:!> ])|[\s{}$~]")


class Sieve:
    """A set that is being cleaned: the rows that are still in it, by number, and the faults found so far."""

    def __init__(self, role: str, key: str, table: Table) -> None:
        """All rows are in.

        Args:
            role: What the set is for.
            key: Where it stands in the config.
            table: What was read.
        """
        self.role, self.key, self.table = role, key, table
        self.left: dict[int, Row] = dict(enumerate(table.rows))
        self.faults: list[Fault] = []

    def note(self, reason: str, rows: Mapping[int, str], drop: bool = True) -> None:
        """Record a fault of these rows (their numbers, each with a detail), and take them out if `drop`."""
        for row, detail in rows.items():
            self.faults.append(Fault(self.role, row, reason, detail, self.left[row][0], drop))
            if drop:
                del self.left[row]

    def check(self, on_bad: str) -> None:
        """Refuse a set with a bad row where the config wants that.

        Raises:
            ConfigError: With the counts and the first bad row.
        """
        if on_bad != "refuse" or not self.faults:
            return
        first = min(self.faults, key=lambda fault: fault.row)
        raise ConfigError(
            f"{self.key}: bad rows are refused (on_bad=refuse) and there are some ({self.reading(0).about}), the first "
            f"of them row {first.row} ({first.reason}): {' '.join(first.problem.split())[:80]!r}; mend the set, or set "
            "on_bad=drop."
        )

    def reading(self, used: int) -> Reading:
        """What became of the rows, of which the run uses so many."""
        table = self.table
        faults = tuple(self.faults)
        return Reading(
            self.role, f"{table.path} {table.part}", table.revision, table.fingerprint, len(table.rows), used, faults
        )


def sift(role: str, key: str, table: Table, readable: Readable) -> Sieve:
    """Take out rows without problem or answer, with an answer that can't be read, and repeated problems."""
    sieve = Sieve(role, key, table)
    sieve.note("empty problem", {row: "" for row, (problem, _) in sieve.left.items() if not problem})
    sieve.note("empty answer", {row: "" for row, (_, answer) in sieve.left.items() if not answer})
    answers = {row: answer for row, (_, answer) in sieve.left.items()}
    verdicts = zip(answers.items(), readable(list(answers.values())), strict=True)
    sieve.note("unreadable answer", {row: answer for (row, answer), good in verdicts if not good})
    sieve.note("duplicate", repeated(sieve.left))
    return sieve


def repeated(rows: Mapping[int, Row]) -> dict[int, str]:
    """Rows whose problem stood in an earlier row, and what to say of each."""
    first: dict[str, int] = {}
    found: dict[int, str] = {}
    for row, (problem, answer) in rows.items():
        earlier = first.setdefault(problem_id(problem), row)
        if earlier != row:
            found[row] = f"of row {earlier}" + (", other answer" if rows[earlier][1] != answer else "")
    return found


def has_content(answers: Sequence[str]) -> list[bool]:
    """Whether something is left of each answer without LaTeX's spacing, braces and dollars."""
    return [bool(_INVISIBLE.sub("", answer)) for answer in answers]


def problem_id(problem: str) -> str:
    """A name that depends on the problem's words only, not on its place, set or spacing."""
    return hashlib.sha256(" ".join(problem.split()).encode()).hexdigest()[:12]
