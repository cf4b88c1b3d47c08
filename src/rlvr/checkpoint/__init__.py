"""Lets a run resume where it stopped: sealed checkpoints, and the config that they belong to."""

from typing import TYPE_CHECKING

from rlvr.checkpoint.start import StartingPoint, starting_point
from rlvr.checkpoint.store import CheckpointStore
from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.checkpoint.callback import Checkpoints
    from rlvr.checkpoint.io import SafeCheckpointIO
else:  # these need Lightning, which is not needed to find or export a checkpoint
    __getattr__ = on_demand(__name__, {"Checkpoints": "callback", "SafeCheckpointIO": "io"})

__all__ = ["CheckpointStore", "Checkpoints", "SafeCheckpointIO", "StartingPoint", "starting_point"]
