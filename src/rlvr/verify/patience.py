"""Decides how long a question may take: less time where similar questions have cost a time limit or a process.

A policy in training that has found a text on which the judge hangs soon writes a thousand like it, with other numbers.
Each would cost a time limit and a process.
"""

import re
from dataclasses import dataclass

from rlvr.verify.worker import Question

# A question that cost a time limit or a process weighs as much as this number of cheap ones.
COSTLY = 4
# From the weight SUSPECT on, questions of a shape get the share SHORT of the time limit, but at least SHORTEST_S. From
# HOPELESS on, only one in RETRIED of them is asked at all.
SUSPECT, HOPELESS = 4, 20
SHORT, SHORTEST_S = 0.1, 0.2
RETRIED = 128
REMEMBERED = 4096
CHARACTERS = 400
_REPEATED = re.compile(r"(.{1,12}?)\1+", re.DOTALL)


class Patience:
    """Remembers which shapes of answers were costly. Each cheap answer of a shape lowers its weight a little.

    Args:
        limit_s: Wall-clock limit for a question whose shape is not known to be costly.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.short_s = min(limit_s, max(SHORT * limit_s, SHORTEST_S))
        self._known: dict[str, _Record] = {}

    def seconds(self, question: Question) -> float:
        """The time limit for a question that is about to be asked; 0: it must not be asked."""
        # While nothing has been costly, no shape is computed.
        record = self._known.get(shape(question[-1])) if self._known else None
        if record is None or record.weight < SUSPECT:
            return self.limit_s
        if record.weight >= HOPELESS:
            record.passed_over += 1
            if record.passed_over % RETRIED:
                return 0.0
        return self.short_s

    def note(self, question: Question, cheap: bool) -> None:
        """Record a question that was asked. It is cheap when it has cost neither a time limit nor a process."""
        if cheap and not self._known:
            return
        kind = shape(question[-1])
        record = self._known.pop(kind, None) or _Record()
        record.weight = min(record.weight + (-1 if cheap else COSTLY), HOPELESS)
        if record.weight > 0:
            self._known[kind] = record
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


@dataclass
class _Record:
    """What is known about a shape: its weight, and how many of its questions came while it was hopeless."""

    weight: int = 0
    passed_over: int = 0


def shape(text: str) -> str:
    """The shape of a text's end. It is equal for texts that differ in numbers, names and the number of repetitions."""
    plain = re.sub(r"[0-9]+", "0", re.sub(r"[A-Za-z]+", "a", text[-CHARACTERS:]))
    return _REPEATED.sub(r"\1+", plain)
