"""Activations of one micro-batch, term by term; `benchmarks/plan.py` counts them and prints both."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from rlvr.scoring.head import CHUNK_GIB

GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """A policy's sizes, in elements.

    Attributes:
        parameters: All of them, tied ones once.
        H: Hidden size.
        L: Layers.
        Q: Width of all queries of a token.
        K: Width of its keys, and of its values.
        I: Width inside the MLP.
        V: Vocabulary.
        tied: The output head is the embedding.
        head_norms: Queries and keys are normalised head by head (Qwen3).
    """

    parameters: int
    H: int
    L: int
    Q: int
    K: int
    I: int  # noqa: E741  the letter that the literature has
    V: int
    tied: bool
    head_norms: bool


@dataclass(frozen=True)
class Precision:
    """Bytes a number.

    Attributes:
        trained: A trained weight, and its gradient.
        frozen: A weight that is not trained.
        stream: Hidden states between the layers.
        inner: What linear layers and attention make.
    """

    trained: int
    frozen: int
    stream: int
    inner: int


def precision_of(name: str, lora: bool) -> Precision:
    """What Lightning's `trainer.precision` means; under adapters the frozen base is in bf16 unless all is fp32."""
    if "16" not in name:
        return Precision(trained=4, frozen=4, stream=4, inner=4)
    if name.endswith("-true"):
        return Precision(trained=2, frozen=2, stream=2, inner=2)
    return Precision(trained=4, frozen=2, stream=2 if lora else 4, inner=2)


def shape_of(config: Any) -> Shape:
    """Sizes from a Hugging Face config, parameters counted on a model that has shapes and no memory."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        H=config.hidden_size,
        L=config.num_hidden_layers,
        Q=config.num_attention_heads * size,
        K=config.num_key_value_heads * size,
        I=config.intermediate_size,
        V=config.vocab_size,
        tied=config.tie_word_embeddings,
        head_norms=any("q_norm" in name for name, _ in model.named_parameters()),
    )


def lora_parameters(shape: Shape, rank: int) -> int:
    """Parameters of two thin matrices at each of the seven matrices of a layer."""
    s = shape
    widths = 2 * (s.H + s.Q) + 2 * (s.H + s.K) + 3 * (s.H + s.I)
    return rank * widths * s.L


@dataclass(frozen=True)
class Step:
    """What one micro-batch needs, in bytes.

    Attributes:
        shape: Of the policy.
        precision: Of the training.
        tokens: Packed tokens of the micro-batch.
        rows: Cells of attention's rows for each packed token. A prompt is repeated in the row of each completion.
        lora: Every linear layer has an adapter, and the rest is frozen.
        checkpointing: A layer's inside is computed again in the backward pass.
        entropy: The entropies have a gradient, too.
        nucleus: The entropies inside the nucleus have a gradient, too.
    """

    shape: Shape
    precision: Precision
    tokens: int
    rows: float
    lora: bool
    checkpointing: bool
    entropy: bool
    nucleus: bool = False

    @property
    def bytes(self) -> float:
        """Activations at their peak."""
        return self.left_by_forward + self.on_top

    @property
    def on_top(self) -> float:
        """Largest memory in addition to what the forward pass leaves."""
        return max(self.forward, self.head, self.layer)

    @property
    def left_by_forward(self) -> float:
        """The hidden state that enters each layer; without checkpointing also what autograd saves inside all layers."""
        s, p = self.shape, self.precision
        entering = s.L * s.H * p.stream
        if self.checkpointing:
            return self.tokens * entering
        # A norm over bf16 saves an fp32 copy of its input; a norm over fp32 saves the input itself.
        return self.tokens * (self.saved * s.L + (entering if p.stream == 4 else 0)) + self.copies * s.L

    @property
    def saved(self) -> float:
        """Bytes a token that autograd holds inside one layer after its forward pass, without the layer's input."""
        s, p, fp32 = self.shape, self.precision, 4
        # The fp32 copy of the input of each norm over bf16; over fp32 only the sum between both norms, without a copy.
        entering = (2 if p.stream == 2 else 1) * s.H * fp32
        normalised = 0 if self.lora else 2 * s.H * p.stream  # for the gradient of the norm's own weights
        outputs = (5 if self.casts else 2) * s.H * p.inner  # of both norms, or a copy for each linear layer after them
        heads = (s.Q + s.K) * (fp32 + (0 if self.lora else p.inner)) if s.head_norms else 0  # as in norms
        attention = s.Q + 2 * self.rows * (s.Q + s.K)  # the output, packed; in rows: query, key, value, output
        mlp = 4 * s.I  # gate, up, silu(gate), their product
        return entering + normalised + outputs + heads + (attention + mlp) * p.inner

    @property
    def casts(self) -> bool:
        """Whether linear layers, or adapters, are in fp32 under autocast, and so each copies its input to bf16."""
        return self.precision.trained > self.precision.inner

    @property
    def copies(self) -> float:
        """Autocast's bf16 copies of one layer's fp32 weights."""
        s = self.shape
        if self.lora or not self.casts:
            return 0.0
        return self.precision.inner * (s.parameters - s.V * s.H * (1 if s.tied else 2)) / s.L

    @property
    def forward(self) -> float:
        """Additional memory in the forward pass, in which autocast holds its copies of all weights until the end.

        The larger of two is added to these copies: three tensors of the MLP; or, in the output head, `_last`,
        autocast's copy of the matrix and two chunks of logits in fp32. For a nucleus there are four chunks, since
        logits are sorted with their places.
        """
        s, p = self.shape, self.precision
        copies = self.copies * s.L if self.checkpointing else 0.0
        matrix = p.inner * s.V * s.H if self.casts and not self.lora else 0
        chunks = 4 if self.nucleus else 2
        return copies + max(3 * s.I * p.inner * self.tokens, self._last + matrix + chunks * self._chunk)

    @property
    def head(self) -> float:
        """Additional memory in the output head's backward pass, beside `_last`.

        A chunk of logits in fp32 and bf16; for the entropy's gradient a second chunk in fp32; for that of a nucleus
        two and a half chunks more. Where the head is trained: its gradient summed in fp32, one chunk's part of the
        gradient, and autocast's copy of the matrix.
        """
        s, p = self.shape, self.precision
        matrix = 0 if self.lora else s.V * s.H * (4 + p.inner + (p.inner if self.casts else 0))
        chunks = (2.5 if self.entropy else 1.5) + (2.5 if self.nucleus else 0)
        return self._last + matrix + chunks * self._chunk

    @property
    def _last(self) -> float:
        """Input of the last norm, the same normalised, and the hidden states with their gradient."""
        return self.tokens * self.shape.H * (4 + self.precision.stream + 2 * self.precision.inner)

    @property
    def _chunk(self) -> float:
        """Bytes of the logits in fp32 that are held at a time."""
        return min(CHUNK_GIB * GIB, 4 * self.shape.V * self.tokens)

    @property
    def layer(self) -> float:
        """Additional memory in a layer's backward pass.

        What is inside the layer; two tensors of the MLP (three gradients, while the product is already freed); and the
        gradient of the layer's output. The gradient of a tied head is held until that of the embedding is added.

        With adapters in fp32 the peak is earlier, when the last adapter copies its input to fp32. The copy counts as
        two tensors, the product is still held, and so is the hidden state that bypasses the MLP.
        """
        s, p = self.shape, self.precision
        inside = self.tokens * self.saved + self.copies if self.checkpointing else 0.0
        tied = s.V * s.H * p.trained if s.tied and not self.lora else 0
        mlp, hidden = (3, 5) if self.lora and self.casts else (2, 1)
        return inside + self.tokens * (mlp * s.I * p.inner + hidden * s.H * p.stream) + tied
