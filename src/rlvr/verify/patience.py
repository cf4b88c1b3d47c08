"""How long a question may take: less, where others like it have cost a time limit or a process.

A policy under reinforcement learning that finds a text which hangs the judge soon writes it a thousand times, with
other numbers in it. Each would cost a time limit, and a process.
"""

import re

from rlvr.verify.worker import Question

# A question that cost a time limit or a process weighs as many as this that did not.
COSTLY = 4
# From these weights on questions of a shape have a part of the time, or none but one in so many.
SUSPECT, HOPELESS = 4, 20
SHORT, SHORTEST_S = 0.1, 0.2
RETRIED = 64
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
        self._weight: dict[str, int] = {}
        self._passed_over: dict[str, int] = {}

    def seconds(self, question: Question) -> float:
        """Time for a question; 0: it is not worth a process."""
        kind = shape(question[-1])
        weight = self._weight.get(kind, 0)
        if weight < SUSPECT:
            return self.limit_s
        if weight >= HOPELESS:
            self._passed_over[kind] = self._passed_over.get(kind, 0) + 1
            if self._passed_over[kind] % RETRIED:
                return 0.0
        return self.short_s

    def note(self, question: Question, cheap: bool) -> None:
        """Whether a question was answered without a time limit or a process lost."""
        kind = shape(question[-1])
        if cheap and kind not in self._weight:
            return
        weight = self._weight.pop(kind, 0) + (-1 if cheap else COSTLY)
        if weight > 0:
            self._weight[kind] = min(weight, HOPELESS)
        else:
            self._passed_over.pop(kind, None)
        if len(self._weight) > REMEMBERED:
            oldest = next(iter(self._weight))
            del self._weight[oldest]
            self._passed_over.pop(oldest, None)


def shape(text: str) -> str:
    """What a text and the same with other numbers, other names and more of the same have in common."""
    plain = re.sub(r"[0-9]+", "0", re.sub(r"[A-Za-z]+", "a", text[-CHARACTERS:]))
    return _REPEATED.sub(r"\1+", plain)
