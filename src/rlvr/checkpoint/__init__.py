"""What makes a run go on where it stopped: sealed checkpoints, and the config they belong to."""

from rlvr.checkpoint.callback import Checkpoints
from rlvr.checkpoint.io import SafeCheckpointIO
from rlvr.checkpoint.start import StartingPoint, starting_point
from rlvr.checkpoint.store import CheckpointStore

__all__ = ["CheckpointStore", "Checkpoints", "SafeCheckpointIO", "StartingPoint", "starting_point"]
