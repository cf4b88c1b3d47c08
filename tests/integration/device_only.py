"""DDP over a process group with NCCL's rule, on CPUs: the default group takes tensors on GPUs only.

What the strategy itself sends (gradients, barriers, broadcasts) goes through a second group, as it would go through the
GPU there. So whatever else hands a tensor on a CPU to a collective of the default group fails here as it would on GPUs:
"No backend type associated with device type cpu".
"""

import sys
from typing import Any

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel


class DeviceOnlyDDP(DDPStrategy):
    """DDP whose default process group refuses tensors on CPUs."""

    def setup_distributed(self) -> None:
        reset_seed()
        self.set_world_ranks()
        if not dist.is_initialized():
            dist.init_process_group("cuda:gloo", rank=self.global_rank, world_size=self.world_size)
        self.own = dist.new_group(backend="gloo")

    def _setup_model(self, model: torch.nn.Module) -> DistributedDataParallel:
        return DistributedDataParallel(model, process_group=self.own)

    def barrier(self, *arguments: Any, **settings: Any) -> None:
        dist.barrier(group=self.own)

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        held = [obj]
        dist.broadcast_object_list(held, src, group=self.own)
        return held[0]

    def reduce(self, tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        caller = sys._getframe(1).f_globals["__name__"]
        assert caller.startswith("lightning."), f"{caller} reduces by itself; on which device is for ranks.py to know"
        assert reduce_op == "sum"  # all that Lightning itself asks for here
        dist.all_reduce(tensor, group=self.own)
        return tensor
