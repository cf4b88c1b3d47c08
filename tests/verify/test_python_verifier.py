"""Code is judged as its tests would judge it, whatever can pass between two processes."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rlvr.errors import ConfigError, RunError
from rlvr.preflight.settings import check
from rlvr.types import Problem, Verdict
from rlvr.verify import PythonVerifier, Rewards
from rlvr.verify.python import sandbox
from rlvr.verify.python.inside.plain import dump, load
from tests.test_configs import CONFIGS
from tests.verify.attacks import RIGHT, TASK


@pytest.fixture(scope="module")
def judge() -> PythonVerifier:
    """Isolated where that can be; what is looked at here does not depend on it."""
    return PythonVerifier(workers=2, timeout_s=20.0, memory_gib=1.0, allow_unisolated=True)


def grade(judge: PythonVerifier, *codes: str, tests: object = None, **more: str) -> list[str]:
    answer = TASK if tests is None else json.dumps({"tests": tests, **more})
    problem = Problem("id", "prompt", (0,), answer)
    return [verdict.status for verdict in judge.grade([(problem, f"```python\n{code}\n```") for code in codes])]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("So:\n```python\nx = 1\n```\nThat is all.", "x = 1"),
        ("```python\nx = 1\n```\nNo:\n```py\nx = 2\n\n```", "x = 2"),
        ("```\nx = 1\n```", "x = 1"),
        ("```python\nx = 1\n```\nIt prints\n```text\n1\n```\nin\n```bash\npython x.py\n```", "x = 1"),
        ("~~~~python\ns = '''\n~~~\n```\n'''\n~~~~", "s = '''\n~~~\n```\n'''"),
        ("1. So:\n   ```Python\n   if x:\n       x = 1\n   ```", "if x:\n    x = 1"),
        (
            '```python\ndef f():\n    """So:\n    ```\n    f()\n    ```\n    """\n```',
            'def f():\n    """So:\n    ```\n    f()\n    ```\n    """',
        ),
        ("```python\r\nx = '\x0c\u2028'\r\n```\r\n", "x = '\x0c\u2028'"),
        ('```python title="a.py"\nx = 1\n```', "x = 1"),
        ("```python\nx = 1\n```\n```python\nx = 2", ""),
        ("x = 1", ""),
        ("Write ```x = 1``` there.", ""),
        ("```python\n\n```", ""),
        ("", ""),
    ],
)
def test_the_last_code_block_counts(judge: PythonVerifier, text: str, code: str):
    """One that is never closed is the last, and empty; one in another language is none."""
    assert judge.answer(text) == code


def test_rewards_by_status():
    """No block is unformatted; what is wrong, runs over or breaks is in its place, and wrong."""
    judge = PythonVerifier(2, 20.0, 1.0, rewards=Rewards(1.0, -0.5, -1.0), allow_unisolated=True)
    problem = Problem("id", "prompt", (0,), TASK)
    other = RIGHT.replace("+", "-")
    texts = [f"```python\n{RIGHT}```", f"```python\n{other}```", RIGHT, "```\n" + "#" * 100_001 + "\n```"]
    assert judge.grade([(problem, text) for text in texts]) == [
        Verdict("right", 1.0),
        Verdict("wrong", -0.5),
        Verdict("wrong", -1.0, formatted=False),
        Verdict("wrong", -1.0, formatted=False),
    ]


VALUES = [
    *(None, True, 0, -1, 10**5000, 0.1, float("inf"), 1 + 2j, "", "text\n\0\ud800", b"\0\xff", bytearray(b"x")),
    *([], (), set(), frozenset({1}), {}, [1, [2, (3,)]], {(1, "a"): {"b": {4}}, None: [True]}, [1, 1.0, True]),
]


def test_plain_data_passes_as_it_is():
    """Value and type, inside of others as well."""
    for value, passed in zip(VALUES, load(dump(VALUES)), strict=True):
        assert passed == value
        assert type(passed) is type(value)
    assert list(map(type, load(dump([1, 1.0, True])))) == [int, float, bool]


def test_what_is_no_plain_data_does_not_pass():
    """Of subclasses the plain value does, and of an iterator what it yields."""
    for value in (object(), len, VALUES.__iter__, type, range(3)):
        with pytest.raises(TypeError, match="is no plain data"):
            dump(value)
    assert list(load(dump(number for number in (1, 2)))) == [1, 2]
    assert type(load(dump(type("Mine", (int,), {"__hex__": None, "__eq__": None})(3)))) is int


WORKS = {
    "by place and name": ("def f(a, *b, c=0, **d):\n    return a, b, c, d", "f(1, 2, e=4) == (1, (2,), 0, {'e': 4})"),
    "several functions": ("def f(x):\n    return g(x)\ndef g(x):\n    return x + 1", "f(1) == g(1) == 2"),
    "a constant": ("LIMIT = (1, 2)", "LIMIT == (1, 2)"),
    "what it remembers": ("x = []\ndef f(y):\n    x.append(y)\n    return x", "f(1) == [1] and f(2) == [1, 2]"),
    "a generator": ("def f(n):\n    yield from range(n)", "list(f(3)) == [0, 1, 2]"),
    "a name of Python's own": ("def sum(a, b):\n    return a * b", "sum(2, 3) == 6"),
    "a data class": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "def f(x):\n    return P(x).x",
        "f(3) == 3",
    ),
    "a demonstration": ("def f():\n    return 1\nif __name__ == '__main__':\n    raise SystemExit(f())", "f() == 1"),
    "prints": ("print('x' * 10**6)\ndef f():\n    print('y')\n    return 1", "f() == 1"),
    "the standard library": ("import re, math, heapq, collections\ndef f():\n    return math.gcd(4, 6)", "f() == 2"),
    "a file of its own": ("def f():\n    open('x', 'w').write('1')\n    return open('x').read()", "f() == '1'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_honest_code(judge: PythonVerifier, name: str):
    code, claim = WORKS[name]
    assert grade(judge, code, tests=f"assert {claim}") == ["right"]
    assert grade(judge, code, tests=f"assert not ({claim})") == ["wrong"]


def test_exceptions_pass_by_the_names_that_python_has(judge: PythonVerifier):
    tests = """
try:
    f()
except LookupError as error:
    assert type(error) is KeyError and "gone" in str(error)
else:
    assert False
"""
    own = "class Mine(KeyError):\n    pass\ndef f():\n    raise Mine('gone')"
    others = [
        "def f():\n    raise ValueError('gone')",
        "def f():\n    raise KeyboardInterrupt",
        "import os\ndef f():\n    os._exit(0)",
    ]
    assert grade(judge, own, *others, tests=tests) == ["right", "wrong", "wrong", "wrong"]


def test_code_that_is_gone_has_not_passed(judge: PythonVerifier):
    """Even where the tests take every exception for success."""
    tests = "try:\n    f()\nexcept BaseException:\n    pass"
    assert grade(judge, "def f():\n    raise ValueError", "import os\ndef f():\n    os._exit(0)", tests=tests) == [
        "right",
        "wrong",
    ]


def test_an_exception_does_not_end_a_loop_of_the_tests(judge: PythonVerifier):
    """As one that ends an iterator would, which makes `all` of nothing true."""
    assert grade(judge, "def f(x):\n    raise StopIteration", tests="assert all(map(f, [1, 2]))") == ["wrong"]


def test_code_that_dies_between_two_calls_has_not_passed(judge: PythonVerifier):
    tests = "import time\ntry:\n    f()\n    time.sleep(0.5)\n    f()\nexcept BaseException:\n    pass"
    code = "import os, signal\nsignal.signal(signal.SIGALRM, lambda *_: os._exit(0))\n"
    code += "def f():\n    signal.setitimer(signal.ITIMER_REAL, 0.05)"
    assert grade(judge, code, tests=tests) == ["wrong"]


def test_names_of_pythons_own_are_not_taken_from_the_code(judge: PythonVerifier):
    """But the only one that tests use, which then is what they test."""
    code = "def sum(a, b):\n    return a * b\ndef abs(x):\n    return 0"
    assert grade(judge, code, tests="assert sum(2, 3) == 6") == ["right"]
    assert grade(judge, code, tests="assert abs(sum(2, 3) - 7) < 1") == ["wrong"]


def test_tests_that_judge_nothing_judge_nobody_right(judge: PythonVerifier):
    """Tests that ask the code nothing, and those that leave before their end; what can't be set up is an error."""
    assert grade(judge, RIGHT, tests="assert True") == ["wrong"]
    assert grade(judge, RIGHT, tests="add(1, 1)\nraise SystemExit(0)") == ["wrong"]
    assert grade(judge, RIGHT, tests="assert add(1, 1) == 2", setup="import nothing_of_that_name") == ["error"]


def test_code_without_end_is_a_timeout():
    """And the next like it is given less time, then none."""
    judge = PythonVerifier(2, 1.5, 1.0, allow_unisolated=True)
    assert grade(judge, "while True: pass", "import time\ntime.sleep(60)") == ["timeout", "timeout"]


def test_a_machine_that_fails_everywhere_ends_the_run():
    """A process that does not start says nothing about the code."""
    judge = PythonVerifier(2, 5.0, 1e-3, max_failed_share=0.5, allow_unisolated=True)
    with pytest.raises(
        RunError, match=r"8 of 8 answers could not be graded, more than verifier\.max_failed_share=0\.5"
    ):
        grade(judge, *(f"{RIGHT}# {index}" for index in range(8)))


def test_a_machine_that_cannot_isolate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In one sentence, before anything starts, alone and as a part; unless that is allowed."""
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    weakness = sandbox.weakness
    monkeypatch.setattr(sandbox, "weakness", lambda one: "refused" if one.name == "landlock" else weakness(one))
    sandbox.find.cache_clear()
    sandbox._prefix.cache_clear()
    part = ["verifier=weighted", "verifier@verifier.parts.answer=python"]
    monkeypatch.chdir(CONFIGS.parent)
    try:
        for overrides, key in ((["verifier=python"], "verifier"), (part, "verifier.parts.answer")):
            with initialize_config_dir(str(CONFIGS), version_base="1.3"):
                cfg = compose("train", [f"paths.run_dir={tmp_path}", f"paths.log_dir={tmp_path}", *overrides])
            with pytest.raises(ConfigError) as caught:
                check(cfg)
            assert str(caught.value) == (
                f"{key}: this machine can't isolate the code that a policy writes (unshare: setpriv is not "
                "installed; bwrap is not installed; landlock: refused); let it make namespaces, or take Linux 6.2 or "
                f"later, or set {key}.allow_unisolated=true, where nothing needs protection."
            )
            OmegaConf.update(cfg, f"{key}.allow_unisolated", True)
            check(cfg)
        with pytest.raises(ConfigError, match=r"^verifier: this machine can't isolate"):
            PythonVerifier(1, 5.0, 1.0)
        assert grade(PythonVerifier(1, 20.0, 1.0, allow_unisolated=True), RIGHT) == ["right"]
    finally:
        sandbox.find.cache_clear()
        sandbox._prefix.cache_clear()
