import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from pools import wait_for_all

from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import MathVerifier
from rlvr.verify.math.extract import TAIL_CHARACTERS, boxes
from rlvr.verify.pool import KillablePool

TIMEOUT_S = 2.0
TOWER = r"\boxed{9^{9^{9^{9}}}}"


def statuses(pool: KillablePool, questions) -> list[str]:
    return [status for status, _ in pool.ask(questions)]


@pytest.fixture(scope="module")
def verifier():
    return MathVerifier(workers=2, timeout_s=TIMEOUT_S, memory_gib=2.0)


def grade(verifier, *pairs):
    items = [(Problem("id", "prompt", (0,), answer), text) for answer, text in pairs]
    return [verdict.status for verdict in verifier.grade(items)]


@pytest.mark.parametrize(
    ("answer", "text", "status"),
    [
        ("2", r"So \boxed{2}.", "right"),
        (r"\frac{1}{2}", r"\boxed{0.5}", "right"),
        (r"\frac{1}{2}", r"\boxed{\frac{2}{4}}", "unevaluated"),
        (r"\text{June 20}", r"\boxed{\text{June20}}", "right"),
        (r"Adding up gives $\boxed{7}$.", r"\boxed{7.0}", "right"),
        ("2", r"\boxed{3}", "wrong"),
        ("2", r"\boxed{2} or rather \boxed{3}", "wrong"),
        ("3", r"\boxed{2} or rather \boxed{3}", "right"),
        ("2", r"\boxed{1, 2}", "wrong"),
        ("7", r"\boxed{5 \to 7}", "wrong"),
        ("2", "The answer is 2.", "wrong"),
        ("2", "$2$", "wrong"),
        ("2", r"\boxed{}", "wrong"),
        ("2", r"\boxed{2", "wrong"),
        ("2", "", "wrong"),
    ],
)
def test_only_the_last_boxed_answer_counts(verifier, answer, text, status):
    """Equal mathematics in the last box is right; anything else, or anything elsewhere, is wrong."""
    assert grade(verifier, (answer, text)) == [status]


def test_the_prompt_is_not_graded(verifier):
    """A boxed answer in the prompt is no answer of the policy's."""
    problem = Problem("id", r"Put it like \boxed{2}.", (0,), "2")
    assert [verdict.status for verdict in verifier.grade([(problem, "I think so.")])] == ["wrong"]


def test_verdicts_keep_the_order(verifier):
    """Verdicts come back in the order of the items, however the workers share them and whatever is repeated."""
    pairs = [(str(n), rf"\boxed{{{n % 3}+0}}") for n in range(12)] * 2
    assert grade(verifier, *pairs) == (["unevaluated"] * 3 + ["wrong"] * 9) * 2


def test_a_power_tower_costs_its_own_verdict_only(verifier):
    """An answer that never ends is over in time, and others are graded beside and after it."""
    wait_for_all(verifier)
    start = time.monotonic()
    statuses = grade(verifier, ("2", TOWER), ("2", r"\boxed{4-2}"), ("2", r"\boxed{4-1}"))
    assert time.monotonic() - start < TIMEOUT_S + 2
    assert statuses[0] in ("timeout", "wrong", "error")
    assert statuses[1:] == ["unevaluated", "wrong"]
    assert grade(verifier, ("2", r"\boxed{5-3}"), ("2", r"\boxed{5-4}")) == ["unevaluated", "wrong"]


def sleepy():
    """A judge that sleeps as long as it is asked to, or raises."""

    def judge(question):
        if question[0] == "raise":
            raise RecursionError
        time.sleep(float(question[0]))
        return question[1] == "yes"

    return judge


def test_over_time_and_raised_are_told_apart():
    """A question over time is `timeout`, one that raises is `error`, and the others have their own answers."""
    pool = KillablePool(sleepy, workers=2, timeout_s=1.0, memory_gib=2.0)
    questions = [("30", "yes"), ("raise", ""), ("0", "yes"), ("0", "no")]
    assert statuses(pool, questions) == ["timeout", "error", "right", "wrong"]


def test_a_killed_worker_is_replaced():
    """A worker killed at its question makes it an `error`; the next question finds a new worker."""
    pool = KillablePool(sleepy, workers=1, timeout_s=90.0, memory_gib=2.0)
    others = multiprocessing.active_children()
    assert statuses(pool, [("0", "yes")]) == ["right"]
    (worker,) = [child for child in multiprocessing.active_children() if child not in others]
    threading.Timer(0.5, os.kill, (worker.pid, signal.SIGKILL)).start()
    start = time.monotonic()
    assert statuses(pool, [("60", "yes"), ("0", "yes")]) == ["error", "right"]
    assert time.monotonic() - start < 60


def broken():
    """A judge whose library doesn't load."""
    raise ImportError("no such library")


def test_a_worker_that_cannot_start_is_named():
    """What keeps a worker from starting ends the run with one sentence, not with zero rewards."""
    with pytest.raises(ConfigError, match="no such library"):
        KillablePool(broken, workers=1, timeout_s=1.0, memory_gib=2.0).ask([("0", "yes")])


def test_workers_run_nothing_of_the_entry_script(tmp_path):
    """A script without a main guard, as a worker would import it, starts its workers once and leaves none behind."""
    script = tmp_path / "script.py"
    script.write_text(
        "from rlvr.types import Problem\n"
        "from rlvr.verify import MathVerifier\n"
        "print('script')\n"
        "verifier = MathVerifier(workers=1, timeout_s=5.0, memory_gib=2.0)\n"
        "print(verifier.grade([(Problem('id', '', (), '2'), r'\\boxed{1+1}')])[0].status)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, timeout=100, check=True)
    assert (result.stdout, result.stderr) == ("script\nunevaluated\n", "")


def test_boxes():
    """Outermost boxes are read with their inner braces; bare numbers count, unclosed and far-off boxes don't."""
    assert boxes(r"\boxed{1}, \boxed{\frac{1}{2}}$") == ["1", r"\frac{1}{2}"]
    assert boxes(r"\boxed{\{1\}}") == [r"\{1\}"]
    assert boxes(r"so $\boxed 9$.") == ["9"]
    assert boxes(r"\boxed{5}, in the \boxed form") == ["5"]
    assert boxes(r"\boxed{\boxed{5} + 1}") == [r"\boxed{5} + 1"]
    assert boxes(r"\boxed{5} and \boxed{6") == ["5", ""]
    assert boxes(r"\boxed{5}" + " " * TAIL_CHARACTERS) == []


def test_workers_are_light_and_locked_in():
    """A worker has not loaded torch, and what it judges can't write files or start processes."""
    pool = KillablePool(nosy, workers=1, timeout_s=10.0, memory_gib=2.0)
    questions = [("torch", ""), ("transformers", ""), ("rlvr.verify.pool", ""), ("write", ""), ("spawn", "")]
    assert statuses(pool, questions) == ["wrong", "wrong", "right", "error", "error"]


def nosy():
    """A judge that says whether a module is loaded, or tries what it must not do."""

    def judge(question):
        if question[0] == "write":
            open("canary", "w").close()
        if question[0] == "spawn":
            subprocess.run(["true"], check=True)
        return question[0] in sys.modules

    return judge


def test_many_questions_to_few_workers():
    """Handed over several at a time, each is answered once, and one over time keeps none of the others."""
    pool = KillablePool(sleepy, workers=2, timeout_s=1.0, memory_gib=2.0)
    questions = [("0", "yes"), ("0", "no"), ("raise", "")] * 40
    questions[30] = questions[31] = ("60", "yes")
    expected = ["right", "wrong", "error"] * 40
    expected[30] = expected[31] = "timeout"
    start = time.monotonic()
    assert statuses(pool, questions) == expected
    assert time.monotonic() - start < 60
