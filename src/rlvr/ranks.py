"""Dealing work out to the ranks and putting the results together again: nothing else here calls a collective.

What the ranks tell each other are Python objects and single numbers. They travel through a group of their own, on CPUs
by gloo, whatever the strategy's group is: NCCL takes tensors on GPUs only, and gives up on a rank that is late, while
here ranks wait for the slowest rollout of all.
"""

import os
import pickle
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import distributed as dist

if TYPE_CHECKING:  # the step needs ranks, and no Lightning
    import lightning

Item = TypeVar("Item")
WATCH_S = 2.0
# Longer than the longest evaluation: ranks that are done wait here for those that are not.
PATIENCE = timedelta(days=2)

_group: tuple[Any, Any] | None = None  # the strategy's group, and ours beside it


def _control_group() -> Any:
    """The group for objects and numbers; made at the first collective of a process group, on all ranks alike."""
    global _group
    if _group is None or _group[0] is not dist.group.WORLD:
        _group = (dist.group.WORLD, dist.new_group(backend="gloo", timeout=PATIENCE))
    return _group[1]


def follow_parent() -> None:
    """End this process when the one that started it is gone, if that is a launcher: torchrun, or Lightning's rank 0.

    A launcher that was killed can say nothing to the ranks, and a collective would wait for those that ended with it:
    for half an hour under NCCL. Those that it has started see it here. A process that a person started has no
    LOCAL_RANK, and lives on when their shell ends.
    """
    if "LOCAL_RANK" not in os.environ:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def leave_group() -> None:
    """End gloo's threads, when this process has nothing more to send to the others.

    They would outlive the interpreter, and now and then abort a process that had finished (pytorch's issue 190489);
    the one that started it would then end with an error, too. Lightning itself ends a group that is NCCL's alone.
    """
    global _group
    if not dist.is_initialized():
        return
    if _group is not None and _group[0] is dist.group.WORLD:
        dist.destroy_process_group(_group[1])
    _group = None
    if "gloo" in dist.get_backend():
        dist.destroy_process_group()


@dataclass(frozen=True)
class Ranks:
    """This rank among all.

    Attributes:
        rank: Its index.
        size: How many there are.
    """

    rank: int
    size: int

    @classmethod
    def of(cls, trainer: "lightning.Trainer") -> "Ranks":
        """Those of a Lightning Trainer."""
        return cls(trainer.global_rank, trainer.world_size)

    @classmethod
    def launched(cls) -> "Ranks":
        """The processes that torchrun has started, else this one alone; from here on they can communicate."""
        rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if size > 1 and not dist.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(rank, size)

    def barrier(self) -> None:
        """Wait until all ranks are here: a collective."""
        if self.size > 1:
            dist.barrier(group=_control_group())

    def total(self, mine: float) -> float:
        """Sum over ranks: a collective, the same on every rank."""
        return sum(self.all_gather([mine]))

    def largest(self, mine: float) -> float:
        """Maximum over ranks: a collective, the same on every rank. Not a number is the largest of all."""
        return max(self.all_gather([mine]), key=lambda value: (value != value, value))

    def broadcast(self, mine: Item) -> Item:
        """What rank 0 holds: a collective, the same on every rank."""
        if self.size == 1:
            return mine
        held = [mine]
        dist.broadcast_object_list(held, src=0, group=_control_group())
        return held[0]

    def shard(self, of_all: Any, given: int = 0) -> Any:
        """This rank's part of a sequence that all hold alike.

        Args:
            of_all: What is dealt out, one item a rank in turn.
            given: Items dealt out before; the turn goes on from there, so that small rounds do not all fall to rank 0.
        """
        return of_all[(self.rank - given) % self.size :: self.size]

    def gather(self, mine: list[Item], given: int = 0) -> list[Item]:
        """What the parts of all ranks make together, in the order dealt: the inverse of `shard`, and a collective."""
        if self.size == 1:
            return mine
        parts = self._parts(mine)
        return [parts[(given + index) % self.size][index // self.size] for index in range(sum(map(len, parts)))]

    def all_gather(self, mine: list[Item]) -> list[Item]:
        """What all ranks hold, rank by rank, however much each has: a collective."""
        return mine if self.size == 1 else list(chain.from_iterable(self._parts(mine)))

    def exchange(self, to_each: list[list[Item]]) -> list[list[Item]]:
        """What each rank has for this one, given what this one has for each: a collective.

        Nothing travels to a rank that it is not for, and what is for this one stays as it is.
        """
        if self.size == 1:
            return to_each
        group = _control_group()
        others = [[] if rank == self.rank else items for rank, items in enumerate(to_each)]
        sent = [torch.frombuffer(bytearray(pickle.dumps(items)), dtype=torch.uint8) for items in others]
        sizes = torch.tensor([len(packet) for packet in sent])
        coming = torch.empty_like(sizes)
        dist.all_to_all_single(coming, sizes, group=group)
        received = torch.empty(int(coming.sum()), dtype=torch.uint8)
        dist.all_to_all_single(received, torch.cat(sent), coming.tolist(), sizes.tolist(), group=group)
        got = [pickle.loads(packet.numpy().tobytes()) for packet in received.split(coming.tolist())]
        return [to_each[rank] if rank == self.rank else items for rank, items in enumerate(got)]

    def _parts(self, mine: list[Item]) -> list[list[Item]]:
        parts: list[list[Item]] = [[] for _ in range(self.size)]
        dist.all_gather_object(parts, mine, group=_control_group())
        return parts
