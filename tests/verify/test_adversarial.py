import contextlib
import os
import resource
import time
from pathlib import Path

import pytest
from adversarial import ANSWER, completions
from pools import wait_for_all

from rlvr.types import Problem
from rlvr.verify import MathVerifier

TIMEOUT_S = 1.0
MEMORY_GIB = 1.0
PROBLEM = Problem("id", "prompt", (0,), ANSWER)


@pytest.fixture(scope="module")
def verifier():
    """Two workers, up and running."""
    verifier = MathVerifier(workers=2, timeout_s=TIMEOUT_S, memory_gib=MEMORY_GIB)
    wait_for_all(verifier)
    return verifier


def status(verifier: MathVerifier, text: str) -> str:
    return verifier.grade([(PROBLEM, text)])[0].status


def resident_gib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**30


def children() -> list[str]:
    """The state of each child process of this one: Z is a dead one that nobody has taken leave of."""
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone in between
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            states += [state] if parent == str(os.getpid()) else []
    return states


@pytest.mark.full
def test_hostile_completions_are_graded_in_time_and_never_right(verifier: MathVerifier, tmp_path: Path):
    """At least 200: one by one, each within its limit and a second; nothing is run, nothing is left behind."""
    canary = tmp_path / "canary"
    texts = completions(canary)
    assert len(texts) >= 200
    before_gib, environment, processes = resident_gib(), dict(os.environ), len(children())
    seconds, statuses = {}, {}
    for name, text in texts.items():
        # A process that the last one killed may still be loading on a busy machine, which is not this text's time.
        wait_for_all(verifier)
        start = time.monotonic()
        statuses[name] = status(verifier, text)
        seconds[name] = time.monotonic() - start
    slowest = max(seconds, key=seconds.__getitem__)
    counts = {each: list(statuses.values()).count(each) for each in ("right", "wrong", "timeout", "error")}
    print(f"\n{len(texts)} completions: {counts}; slowest {slowest}, {seconds[slowest]:.2f} s")
    assert [name for name, each in statuses.items() if each == "right"] == []
    assert seconds[slowest] < TIMEOUT_S + 1
    assert not canary.exists()
    assert dict(os.environ) == environment
    assert resident_gib() - before_gib < 0.2
    assert len(children()) == processes
    assert "Z" not in children()
    assert status(verifier, r"\boxed{41+1}") == "unevaluated"
    assert status(verifier, r"\boxed{41+2}") == "wrong"


@pytest.mark.full
def test_hostile_completions_in_one_batch(verifier: MathVerifier, tmp_path: Path):
    """A third of them at once, with right answers between: each of those is found, and none of the others."""
    texts = list(completions(tmp_path / "canary").values())[::3]
    items = []
    for index, text in enumerate(texts):
        items += [(PROBLEM, text), (PROBLEM, rf"\boxed{{{index}+42-{index}}}")]
    statuses = [verdict.status for verdict in verifier.grade(items)]
    assert set(statuses[1::2]) == {"unevaluated"}
    assert "right" not in statuses[::2]
