"""Grades colourings of graphs."""

from collections.abc import Sequence
from functools import lru_cache

from rlvr.types import Problem, Verdict
from rlvr.verify.countdown import RIGHT, WRONG


class GraphColorVerifier:
    """A completion is right when it names each vertex once, with a colour, and no edge joins two of the same."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order."""
        return [_verdict(problem.answer, text) for problem, text in items]

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether each reference holds vertices and edges, joined by `:`."""
        return [":" in answer for answer in answers]

    def answer(self, text: str) -> str:
        """The colours in the order of the vertices: colourings that differ in order alone are one answer."""
        pairs = sorted(text[place : place + 2] for place in range(0, len(text), 2))
        return "".join(pairs)


@lru_cache(maxsize=2**16)  # many rollouts of a problem give the same answer
def _verdict(reference: str, text: str) -> Verdict:
    vertices, edges = reference.split(":")
    if len(text) != 2 * len(vertices) or sorted(text[::2]) != list(vertices) or not set(text[1::2]) <= set("abc"):
        return WRONG
    color = dict(zip(text[::2], text[1::2], strict=True))
    unlike = all(color[first] != color[second] for first, second in zip(edges[::2], edges[1::2], strict=True))
    return RIGHT if unlike else WRONG
