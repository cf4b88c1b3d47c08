"""Dealing work out to the ranks and putting the results together again."""

from dataclasses import dataclass
from typing import Any, TypeVar

from torch import distributed as dist

Item = TypeVar("Item")


@dataclass(frozen=True)
class Ranks:
    """This rank among all.

    Attributes:
        rank: Its index.
        size: How many there are.
    """

    rank: int
    size: int

    def share(self, of_all: Any, given: int = 0) -> Any:
        """This rank's part of a sequence that all hold alike.

        Args:
            of_all: What is dealt out, one item a rank in turn.
            given: Items dealt out before; the turn goes on from there, so that small rounds do not all fall to rank 0.
        """
        return of_all[(self.rank - given) % self.size :: self.size]

    def gather(self, mine: list[Item], given: int = 0) -> list[Item]:
        """What the parts of all ranks make together, in the order dealt: the inverse of `share`, and a collective."""
        if self.size == 1:
            return mine
        parts: list[list[Item]] = [[] for _ in range(self.size)]
        dist.all_gather_object(parts, mine)
        return [parts[(given + index) % self.size][index // self.size] for index in range(sum(map(len, parts)))]
