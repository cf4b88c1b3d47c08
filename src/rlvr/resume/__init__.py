"""What makes a run go on where it stopped: sealed checkpoints, and the config they belong to."""

from rlvr.resume.io import SafeCheckpointIO
from rlvr.resume.start import StartingPoint, starting_point
from rlvr.resume.store import CheckpointStore

__all__ = ["CheckpointStore", "SafeCheckpointIO", "StartingPoint", "starting_point"]
