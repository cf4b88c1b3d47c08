"""The type of the trained weights, and whether updates change them or are lost in rounding.

Adam moves a weight by about the learning rate. At 1e-6 that is less than half the distance between two neighbours in
bfloat16 for nearly every weight: the sum rounds back to where it was, and nothing is trained. So what the optimizer
adds to is kept in fp32: the weights themselves, or DeepSpeed's copy of them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLED = 2**16  # numbers that are looked at


def trained_dtype(precision: str, adapters: bool) -> torch.dtype:
    """Type in which the policy's weights are loaded.

    Args:
        precision: The trainer's: 32-true; bf16-mixed; or bf16-true, where DeepSpeed also keeps an fp32 copy.
        adapters: Whether the weights are frozen under adapters, which peft makes in fp32 by itself.
    """
    half = precision == "bf16-true" or (precision == "bf16-mixed" and adapters)
    return torch.bfloat16 if half else torch.float32


class UpdateShare:
    """Part of a sample of trained numbers that an optimizer step changed.

    Args:
        tensors: What the optimizer adds to, on this rank; the sample is spread evenly over them.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        stride = max(1, sum(tensor.numel() for tensor in tensors) // SAMPLED)
        self._views = [tensor.detach().view(-1)[::stride] for tensor in tensors if tensor.numel()]
        self._before = [view.clone() for view in self._views]

    def share(self) -> float:
        """The share that has changed since this object was made, between 0 and 1."""
        changed = [(view != before).sum() for view, before in zip(self._views, self._before, strict=True)]
        return float(torch.stack(changed).sum()) / sum(map(len, self._views)) if changed else 0.0
