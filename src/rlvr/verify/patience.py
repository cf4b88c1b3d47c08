"""How long a question may take: less, where others like it have cost a time limit or a process.

A policy under reinforcement learning that finds a text which hangs the judge soon writes it a thousand times, with
other numbers in it. Each would cost a time limit, and a process.
"""

import re
from dataclasses import dataclass

from rlvr.verify.worker import Question

# A question that cost a time limit or a process weighs as many as this that did not.
COSTLY = 4
# From these weights on questions of a shape have a part of the time, or none but one in so many.
SUSPECT, HOPELESS = 4, 20
SHORT, SHORTEST_S = 0.1, 0.2
RETRIED = 128
REMEMBERED = 4096
CHARACTERS = 400
_REPEATED = re.compile(r"(.{1,12}?)\1+", re.DOTALL)


class Patience:
    """Remembers which shapes of answers were costly; one that is answered cheaply again is forgiven slowly.

    Args:
        limit_s: Wall-clock time for a question that nothing is known against.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.short_s = min(limit_s, max(SHORT * limit_s, SHORTEST_S))
        self._known: dict[str, _Record] = {}

    def seconds(self, question: Question) -> float:
        """Time for a question, which is about to be asked; 0: it is not worth a process."""
        # As long as nothing was costly, no question is looked at.
        record = self._known.get(shape(question[-1])) if self._known else None
        if record is None or record.weight < SUSPECT:
            return self.limit_s
        if record.weight >= HOPELESS:
            record.passed_over += 1
            if record.passed_over % RETRIED:
                return 0.0
        return self.short_s

    def note(self, question: Question, cheap: bool) -> None:
        """Whether a question was answered without a time limit or a process lost."""
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
    """What is known of a shape: how much it has cost lately, and how many of it were not asked since."""

    weight: int = 0
    passed_over: int = 0


def shape(text: str) -> str:
    """What a text and the same with other numbers, other names and more of the same have in common."""
    plain = re.sub(r"[0-9]+", "0", re.sub(r"[A-Za-z]+", "a", text[-CHARACTERS:]))
    return _REPEATED.sub(r"\1+", plain)
