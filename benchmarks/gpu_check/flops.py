"""How many floating point operations the work is, and what a device could do at best."""

from dataclasses import dataclass
from typing import Any

# Dense bf16 tensor-core peaks in TFLOP/s, from the vendor's data sheets; the first name that the device's contains.
PEAKS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H100": 989.0,
    "H800": 989.0,
    "GH200": 989.0,
    "B200": 2250.0,
    "A100": 312.0,
    "A800": 312.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "A40": 149.7,
    "A10G": 70.0,
    "A10": 125.0,
    "A30": 165.0,
    "RTX 6000 Ada": 364.0,
    "RTX A6000": 154.8,
    "RTX 4090": 165.2,
    "RTX 3090": 71.0,
}


def peak_tflops(device: str) -> float | None:
    """Of this device; None where the table has it not. Longer names first, so that an L40S is no L4."""
    names = sorted(PEAKS, key=len, reverse=True)
    return next((PEAKS[name] for name in names if name in device), None)


@dataclass(frozen=True)
class Work:
    """Matrix products of a batch through a decoder, floating point operations of the forward pass.

    Attributes:
        layers: 2 a weight and packed token.
        head: 2 a weight of the output head and scored token.
        attention: 4 a pair of tokens that attend, width of all heads and layer; half of a row's square.
    """

    layers: float
    head: float
    attention: float

    @classmethod
    def of(cls, config: Any, tokens: int, scored: int, row_lengths: list[int]) -> "Work":
        """For packed tokens, scored ones and the rows that attention sees."""
        c = config
        width = c.hidden_size // c.num_attention_heads
        attended, shared = c.num_attention_heads * width, c.num_key_value_heads * width
        matrices = 2 * c.hidden_size * (attended + shared) + 3 * c.hidden_size * c.intermediate_size
        pairs = sum(length * length / 2 for length in row_lengths)
        return cls(
            layers=2.0 * matrices * c.num_hidden_layers * tokens,
            head=2.0 * c.hidden_size * c.vocab_size * scored,
            attention=4.0 * attended * c.num_hidden_layers * pairs,
        )

    @property
    def forward(self) -> float:
        """One forward pass."""
        return self.layers + self.head + self.attention

    @property
    def training(self) -> float:
        """Forward and backward, the backward pass twice the forward: 6 a weight and token, and attention."""
        return 3 * self.forward

    @property
    def recomputed(self) -> float:
        """What gradient checkpointing and the chunked head compute a second time."""
        return self.forward
