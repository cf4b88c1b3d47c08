"""Graphs to colour: problems, demonstrations, guess rate and verdicts, against reasoning_gym's own scorer."""

import json
from itertools import product

import numpy as np
import pytest

from rlvr.data import GraphColor
from rlvr.data.graph_color import CHARACTERS, COLORS, colorings
from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import GraphColorVerifier

TASK = GraphColor(vertices=6, edges=8, train_size=64, heldout_size=32, seed=0)
DENSE = GraphColor(vertices=4, edges=5, train_size=6, heldout_size=0, seed=0)
VERIFIER = GraphColorVerifier()


def problem(reference: str) -> Problem:
    """Of a reference such as `012:0102`."""
    return Problem(reference, "", (), reference)


def by_reasoning_gym(reference: str, text: str) -> bool:
    """What the package's scorer says of an answer, in its own format."""
    package = pytest.importorskip("reasoning_gym", reason="reasoning_gym is in the extra `math`")
    vertices, edges = reference.split(":")
    puzzle = {
        "vertices": [int(vertex) for vertex in vertices],
        "edges": [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)],
        "color_options": list(range(1, len(COLORS) + 1)),
    }
    colors = {vertex: COLORS.find(color) + 1 for vertex, color in zip(text[::2], text[1::2], strict=False)}
    scorer = package.create_dataset("graph_color", size=1, seed=0)
    return bool(scorer.score_answer(json.dumps(colors), {"metadata": {"puzzle": puzzle}}) == 1.0)


def test_demonstrations_are_right():
    """500 of them: the verifier says so."""
    pairs = TASK.demonstrations(np.random.default_rng(0), 500)
    items = [(problem("012345:" + prompt.rstrip(":")), answer) for prompt, answer in pairs]
    assert {verdict.status for verdict in VERIFIER.grade(items)} == {"right"}
    assert {len(prompt) for prompt, _ in pairs} == {17}
    assert {len(answer) + 1 for _, answer in pairs} == {TASK.max_completion_tokens}


def test_verdicts_are_those_of_reasoning_gym():
    """Of 300 right colourings, and of 300 with one colour drawn anew, vertices in any order."""
    rng = np.random.default_rng(0)
    found = set()
    for name, right in TASK.draw(rng, 300):
        colors = list(right[1::2])
        colors[rng.integers(6)] = COLORS[rng.integers(3)]
        drawn = "".join(f"{vertex}{colors[vertex]}" for vertex in rng.permutation(6))
        for text in (drawn, right):
            (verdict,) = VERIFIER.grade([(problem(f"012345:{name}"), text)])
            assert (verdict.status == "right") == by_reasoning_gym(f"012345:{name}", text)
            found.add(verdict.status)
    assert found == {"right", "wrong"}


@pytest.mark.parametrize(
    "text",
    ["", "0a1b", "0a1b2a", "0a1b2b", "0a1b2", "0a1b2cc", "0a1b1c", "0a1b2d", "a0b1c2", "0a1b3c", " 0a1b2c", "0A1B2C"],
)
def test_wrong_answers(text: str):
    """Vertices missing, twice or unknown, ends of an edge alike, no colour. Any order of the vertices is right."""
    triangle = problem("012:010212")
    assert VERIFIER.grade([(triangle, text)])[0].status == "wrong"
    assert [VERIFIER.grade([(triangle, right)])[0].status for right in ("0a1b2c", "2c0a1b")] == ["right", "right"]
    assert VERIFIER.answer("2c0a1b") == VERIFIER.answer("0a1b2c")


def test_splits_are_stable_and_apart():
    """The same seed gives the same problems, and none comes twice; their tokens are their characters."""
    tokenizer = TASK.tokenizer()
    splits = TASK.splits(tokenizer, VERIFIER.readable)
    assert splits == TASK.splits(tokenizer)
    everything = splits.train + splits.heldout
    assert len({one.id for one in everything}) == len(everything) == 96
    assert tokenizer.decode(splits.train[0].prompt_ids) == splits.train[0].prompt
    assert len(tokenizer) == len(CHARACTERS) + 1


def test_guess_rate_against_brute_force():
    """The share of all 3 ** 6 colourings that the verifier finds right, for ten problems."""
    everything = ["".join(f"{v}{color}" for v, color in enumerate(colors)) for colors in product(COLORS, repeat=6)]
    for one in TASK.splits(TASK.tokenizer()).heldout[:10]:
        verdicts = VERIFIER.grade([(one, text) for text in everything])
        right = sum(verdict.status == "right" for verdict in verdicts)
        assert len(colorings(one.answer)) == right
        assert TASK.guess_rate(one) == pytest.approx(right / 3**6)


def test_all_graphs_are_found():
    """Four vertices and five edges: six graphs, each lacks one edge and has six colourings."""
    names = {one.answer for one in DENSE.splits(DENSE.tokenizer()).train}
    assert len(names) == 6
    assert {len(colorings(name)) for name in names} == {6}


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (GraphColor(4, 5, 6, 1, 0), r"data\.vertices=4: .* draws gave 6 different graphs with 5 edges, .* want 7"),
        (GraphColor(4, 6, 1, 1, 0), r"data\.edges=6: 4 vertices of three colours have no room for so many edges"),
    ],
)
def test_more_than_there_are(task: GraphColor, sentence: str):
    """Said before a policy is loaded."""
    with pytest.raises(ConfigError, match=sentence):
        task.prepare()
