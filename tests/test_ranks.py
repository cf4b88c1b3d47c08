"""Dealing out and putting together, and the collectives beside a group that takes tensors on GPUs only, as NCCL's."""

import math
from pathlib import Path

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing

from rlvr.ranks import Ranks, leave_group


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("given", [0, 1, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_gather_inverts_share(monkeypatch, size: int, given: int, count: int):
    """Every item once, in order; parts differ by one item at most; the turn goes on where it stopped."""
    items = list(range(count))
    parts = [Ranks(rank, size).shard(items, given) for rank in range(size)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    if count:
        assert items[0] in parts[given % size]
    monkeypatch.setattr(Ranks, "_parts", lambda ranks, mine: parts)
    assert Ranks(0, size).gather(parts[0], given) == items


def test_alone_nothing_is_sent():
    """One rank needs no process group."""
    alone = Ranks(0, 1)
    alone.barrier()
    assert (alone.total(2.5), alone.largest(-1.0), alone.broadcast("a"), alone.all_gather([1])) == (2.5, -1.0, "a", [1])


def test_collectives_need_no_group_that_takes_cpu_tensors(tmp_path: Path):
    """On NCCL a CPU tensor in a collective is an error; objects and numbers get through all the same."""
    multiprocessing.spawn(_two_ranks, (tmp_path,), nprocs=2)


def _two_ranks(rank: int, folder: Path) -> None:
    for group in ("first", "second"):  # another group in the same process gets a control group of its own
        dist.init_process_group("cuda:gloo", init_method=f"file://{folder}/{group}", rank=rank, world_size=2)
        with pytest.raises(RuntimeError, match="No backend type associated with device type cpu"):
            dist.all_reduce(torch.ones(1))
        ranks = Ranks(rank, 2)
        ranks.barrier()
        assert ranks.total(1.5 + rank) == 4.0
        assert ranks.largest(-float(rank)) == 0.0
        assert math.isnan(ranks.largest(math.nan if rank else 7.0))
        assert ranks.broadcast({"rank": rank}) == {"rank": 0}
        assert ranks.all_gather(["a"] * rank) == ["a"]
        assert ranks.gather([f"{rank}0", f"{rank}1"]) == ["00", "10", "01", "11"]
        assert ranks.exchange([[f"{rank}-0"], [f"{rank}-1"] * 9]) == [[f"0-{rank}"] * 9**rank, [f"1-{rank}"] * 9**rank]
        assert ranks.exchange([[], []]) == [[], []]
        leave_group()
        assert not dist.is_initialized()
