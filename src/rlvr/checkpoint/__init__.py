"""What makes a run go on where it stopped: sealed checkpoints, and the config they belong to."""

from typing import TYPE_CHECKING

from rlvr.checkpoint.start import StartingPoint, starting_point
from rlvr.checkpoint.store import CheckpointStore
from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.checkpoint.callback import Checkpoints
    from rlvr.checkpoint.io import SafeCheckpointIO
else:  # Lightning, which neither finding a checkpoint nor exporting one needs
    __getattr__ = on_demand(__name__, {"Checkpoints": "callback", "SafeCheckpointIO": "io"})

__all__ = ["CheckpointStore", "Checkpoints", "SafeCheckpointIO", "StartingPoint", "starting_point"]
