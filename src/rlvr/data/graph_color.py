"""Graph colouring: give every vertex one of three colours so that no edge joins two of the same.

A prompt such as `010213:` lists the edges 0-1, 0-2 and 1-3, and `0a1b2c3a` is an answer. A graph has many right
answers, at least six where all three colours are needed; how many differs from graph to graph, and with it the
difficulty. The task is reasoning_gym's `graph_color` in few characters, for policies that are made from scratch.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlvr.data.characters import character_tokenizer
from rlvr.data.distinct import distinct
from rlvr.data.source import Readable, Splits, every
from rlvr.errors import ConfigError
from rlvr.types import Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COLORS = "abc"
CHARACTERS = "0123456789" + COLORS + ":"
MISSES = 1000  # draws of two batches in a row without one graph, before there is taken to be none
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class GraphColor:
    """Graphs that three colours suffice for.

    Attributes:
        vertices: Of each graph, 10 at most, so that a digit names each.
        edges: Of each graph. The more, the fewer colourings are right.
        train_size: Problems in the pool that RL draws from.
        heldout_size: Problems kept for evaluation; none has the edges of one in the pool.
        seed: Seed of the problems, apart from the run's seed, so that runs are compared on the same problems.
    """

    vertices: int
    edges: int
    train_size: int
    heldout_size: int
    seed: int

    @property
    def max_completion_tokens(self) -> int:
        """Two characters a vertex, and the end-of-sequence token."""
        return 2 * self.vertices + 1

    def tokenizer(self) -> "PreTrainedTokenizerFast":
        """The task's own character tokenizer, for a policy that is made from scratch."""
        return character_tokenizer(CHARACTERS)

    def prepare(self) -> None:
        """Draw the problems.

        Raises:
            ConfigError: When there are too few, or none.
        """
        _ = self._names

    def splits(self, tokenizer: Any, readable: Readable = every) -> Splits:
        """Solvable problems, distinct by their edges, tokenised. Each one's reference is its vertices and its edges."""
        problems = []
        for name in self._names:
            prompt = f"{name}:"
            answer = "0123456789"[: self.vertices] + f":{name}"
            problems.append(Problem(name, prompt, tuple(tokenizer(prompt)["input_ids"]), answer))
        return Splits(train=problems[: self.train_size], heldout=problems[self.train_size :])

    def demonstrations(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """`count` random (prompt, correct answer) pairs: a colouring, then edges between vertices of unlike colours.

        Args:
            rng: Source of randomness, advanced by the call.
            count: Pairs to make.

        Raises:
            ConfigError: When no colouring leaves room for so many edges.
        """
        return [(f"{name}:", answer) for name, answer in self.draw(rng, count)]

    def draw(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """Names of problems, such as `010213`, with an answer.

        A graph comes up the more often, the more colourings it has.
        """
        first_E, second_E = _ends(self.vertices)
        label_E = [f"{first}{second}" for first, second in zip(first_E, second_E, strict=True)]
        pairs: list[tuple[str, str]] = []
        misses = 0
        while len(pairs) < count:
            color_BN = rng.integers(len(COLORS), size=(2 * count, self.vertices))
            unlike_BE = color_BN[:, first_E] != color_BN[:, second_E]
            order_BE = np.where(unlike_BE, rng.random(unlike_BE.shape), np.inf).argsort(axis=1)
            chosen_BM = np.sort(order_BE[:, : self.edges], axis=1)
            rows = np.flatnonzero(unlike_BE.sum(axis=1) >= self.edges)
            for row in rows:
                answer = "".join(f"{vertex}{COLORS[color]}" for vertex, color in enumerate(color_BN[row]))
                pairs.append(("".join(label_E[edge] for edge in chosen_BM[row]), answer))
            misses = 0 if len(rows) else misses + 1
            if misses == MISSES:
                raise ConfigError(
                    f"data.edges={self.edges}: {self.vertices} vertices of three colours have no room for so many "
                    "edges, or hardly ever; lower it or raise data.vertices."
                )
        return pairs[:count]

    def guess_rate(self, problem: Problem) -> float:
        """Exact chance that colours drawn uniformly for every vertex are right."""
        return len(colorings(problem.answer)) / len(COLORS) ** self.vertices

    @cached_property
    def _names(self) -> list[str]:
        rng = np.random.default_rng(self.seed)
        return distinct(
            lambda count: (name for name, _ in self.draw(rng, count)),
            key=str,
            wanted=self.train_size + self.heldout_size,
            setting=f"data.vertices={self.vertices}",
            kind=f"graphs with {self.edges} edges",
        )


def colorings(reference: str) -> IntArray:
    """All right colourings of a graph, such as `0123:010213`: one a row, the index of each vertex's color."""
    vertices, edges = reference.split(":")
    ends = {(int(edges[place]), int(edges[place + 1])) for place in range(0, len(edges), 2)}
    found_BN = np.zeros((1, 0), dtype=np.int64)
    for vertex in range(len(vertices)):
        color_B = np.tile(np.arange(len(COLORS)), len(found_BN))
        found_BN = np.column_stack([np.repeat(found_BN, len(COLORS), axis=0), color_B])
        earlier = [first for first, second in ends if second == vertex]
        found_BN = found_BN[(found_BN[:, earlier] != found_BN[:, [vertex]]).all(axis=1)]
    return found_BN


def _ends(vertices: int) -> tuple[IntArray, IntArray]:
    """The lower and the higher vertex of every possible edge, in the order of the higher."""
    second_E, first_E = np.tril_indices(vertices, k=-1)
    return first_E, second_E
