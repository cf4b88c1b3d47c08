"""The weights in a checkpoint of one process."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

WEIGHTS, STATE = "weights.safetensors", "state.pt"


def weights_of(folder: Path, ties: dict[str, str] | None = None) -> dict[str, Tensor]:
    """The weights of a checkpoint of one process, tied ones under each of their names."""
    if ties is None:
        ties = torch.load(folder / STATE, map_location="cpu", weights_only=True)["ties"]
    weights = load_file(folder / WEIGHTS)
    return weights | {name: weights[owner] for name, owner in ties.items()}


def untied(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each tensor once, and the further names of tied ones: safetensors refuses tensors that share memory."""
    owners: dict[tuple[int, torch.Size], str] = {}
    weights: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    for name, tensor in state.items():
        owner = owners.setdefault((tensor.data_ptr(), tensor.shape), name)
        if owner == name:
            weights[name] = tensor.detach().contiguous()
        else:
            ties[name] = owner
    return weights, ties
