"""How a checkpoint of one process is written: weights as safetensors, the rest as plain values, never pickled code."""

import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors.torch import save_file

from rlvr.checkpoint.weights import STATE, WEIGHTS, untied, weights_of


class SafeCheckpointIO(CheckpointIO):
    """Lightning's checkpoint as a folder; for every strategy but DeepSpeed, which writes shards of its own."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write `weights.safetensors` and `state.pt` (optimizer, loops, callbacks)."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        weights, ties = untied(checkpoint["state_dict"])
        save_file(weights, folder / WEIGHTS)
        rest = {name: value for name, value in checkpoint.items() if name != "state_dict"}
        torch.save({**rest, "ties": ties}, folder / STATE)

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = None) -> Any:
        """Read it back; only tensors and plain values are unpickled, whatever the caller says."""
        folder = Path(path)
        checkpoint = torch.load(folder / STATE, map_location="cpu", weights_only=True)
        return checkpoint | {"state_dict": weights_of(folder, checkpoint.pop("ties"))}

    def remove_checkpoint(self, path: Any) -> None:
        """Delete the folder."""
        shutil.rmtree(path, ignore_errors=True)
