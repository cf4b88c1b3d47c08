"""Model FLOPs: the floating point operations of a policy's matrix products and of attention, without any other work.

| slot | tokens that are read | operations |
|---|---|---|
| generation (`sample`, `greedy`) | a problem's prompt once, each completion less its last token | 1 forward pass |
| scoring (`score`): old policy, reference, without prompts | those of the packed micro-batches | 1 forward pass each |
| training, `forward` | the same | 1 forward pass |
| training, `backward` | the same | 2 forward passes; with adapters see `PolicySize.backward` |

The operations of a forward pass are the sum of three terms:

- 2 for each weight of the layers' matrices and each token that is read;
- 2 for each weight of the output head and each token that is scored;
- 4 x layers x width of all heads' queries for each pair of a token and one that it attends to: products of queries with
  keys, and of attention weights with values. A causal token attends to itself and those before it, half of the square.

Not counted are the embedding, which is looked up; norms, rotary positions, softmax, activations, biases and adapters;
and repeated or wasted work: layers under gradient checkpointing, the head's logits in its backward pass, padding, and a
prompt that an engine or attention's rows read again for each completion. So utilisation by these operations is
model-FLOPs utilisation as arXiv 2204.02311 (appendix B) defines it, except that the paper counts the whole square of
attention (second-hand).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Passed:
    """What goes through a policy.

    Attributes:
        tokens: Read by the layers.
        scored: Tokens for which the output head makes a distribution.
        pairs: Pairs of a token and one that it attends to, itself included.
    """

    tokens: float = 0
    scored: float = 0
    pairs: float = 0

    @classmethod
    def of(cls, prompt: float, completions: Sequence[float]) -> Self:
        """A prompt once, and completions of it; the last token of each is scored and not read.

        Args:
            prompt: Its length, tokens.
            completions: Their lengths, tokens.
        """
        read = [max(length - 1, 0) for length in completions]
        pairs = sum(length * prompt + length * (length + 1) / 2 for length in read)
        return cls(prompt + sum(read), sum(completions), prompt * (prompt + 1) / 2 + pairs)

    def __add__(self, other: "Passed") -> "Passed":
        return Passed(self.tokens + other.tokens, self.scored + other.scored, self.pairs + other.pairs)

    def __mul__(self, times: float) -> "Passed":
        return Passed(times * self.tokens, times * self.scored, times * self.pairs)


@dataclass(frozen=True)
class PolicySize:
    """Sizes of a decoder's matrices, for the architecture of Qwen2, Qwen3 and Llama.

    Attributes:
        layers: Weights of all layers' matrices: query, key, value and output, and three of the MLP.
        head: Weights of the output head. They are counted even if tied, since the head is a product in any case.
        attention: Layers times the width of all heads' queries.
    """

    layers: int
    head: int
    attention: int

    @classmethod
    def of(cls, config: Any) -> Self:
        """From a Hugging Face config."""
        c = config
        width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        queries, keys = c.num_attention_heads * width, c.num_key_value_heads * width
        matrices = 2 * c.hidden_size * (queries + keys) + 3 * c.hidden_size * c.intermediate_size
        return cls(c.num_hidden_layers * matrices, c.vocab_size * c.hidden_size, c.num_hidden_layers * queries)

    def forward(self, passed: Passed) -> float:
        """Operations of a forward pass."""
        return self._products(passed) + self._attending(passed)

    def backward(self, passed: Passed, adapters: bool = False) -> float:
        """Operations of a backward pass: gradients of weights and of inputs, as many each as the forward pass.

        Args:
            passed: What went through the forward pass.
            adapters: The policy's own weights are frozen and get no gradient; attention has no weights.
        """
        return (1 if adapters else 2) * self._products(passed) + 2 * self._attending(passed)

    def _products(self, passed: Passed) -> float:
        return 2.0 * (self.layers * passed.tokens + self.head * passed.scored)

    def _attending(self, passed: Passed) -> float:
        return 4.0 * self.attention * passed.pairs
