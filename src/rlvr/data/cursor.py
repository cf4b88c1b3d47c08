"""Which problems come next: an endless, seeded, resumable order over a fixed pool."""

import random
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from rlvr.types import Problem


class ProblemCursor:
    """Draws problems pass after pass over the pool, each pass in a new seeded order.

    Every problem is drawn once before any is drawn twice, apart from those put back.
    """

    def __init__(self, problems: Sequence[Problem], seed: int) -> None:
        self.problems = list(problems)
        self.seed = seed
        self.passes = 0
        self._queue: deque[int] = deque()
        self._index = {problem.id: index for index, problem in enumerate(self.problems)}

    def draw(self, count: int, exclude: Collection[str] = ()) -> list[Problem]:
        """Return `count` distinct problems, none with an id in `exclude`; those skipped keep their turn.

        Returns fewer only when the pool has no more distinct problems to give.
        """
        taken = {self._index[problem_id] for problem_id in exclude}
        count = min(count, len(self.problems) - len(taken))
        drawn: list[int] = []
        skipped: list[int] = []
        while len(drawn) < count:
            if not self._queue:
                self._start_pass()
            index = self._queue.popleft()
            if index in taken:
                skipped.append(index)
            else:
                taken.add(index)
                drawn.append(index)
        self._queue.extendleft(reversed(skipped))
        return [self.problems[index] for index in drawn]

    def put_back(self, problems: Sequence[Problem]) -> None:
        """Give problems that were drawn but not used the next turn."""
        self._queue.extendleft(self._index[problem.id] for problem in reversed(problems))

    def _start_pass(self) -> None:
        order = list(range(len(self.problems)))
        random.Random(f"{self.seed}/{self.passes}").shuffle(order)
        self._queue.extend(order)
        self.passes += 1

    def state_dict(self) -> dict[str, Any]:
        """The position in the order, for an exact resume."""
        return {"passes": self.passes, "queue": list(self._queue)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position saved by `state_dict`."""
        self.passes = state["passes"]
        self._queue = deque(state["queue"])
