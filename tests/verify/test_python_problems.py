"""Problems of code: three styles of files, programs that read and print, answers that hold no tests."""

import json
from functools import reduce
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import PythonVerifier
from rlvr.verify.python.task import read
from tests.test_configs import CONFIGS
from tests.verify.attacks import TASK

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def judge() -> PythonVerifier:
    """Isolated where that can be; what is looked at here does not depend on it."""
    return PythonVerifier(workers=2, timeout_s=20.0, memory_gib=0.25, allow_unisolated=True)


SOLUTION = {
    "humaneval": lambda row: row["prompt"] + row["canonical_solution"],
    "mbpp": lambda row: row["code"],
    "apps": lambda row: json.loads(row["solutions"])[0],
}


@pytest.mark.parametrize("style", ["humaneval", "mbpp", "apps"])
def test_styles_of_files(judge: PythonVerifier, style: str):
    """Read by their suites: the reference solutions are right, the same with one thing changed are wrong."""
    path = DATA / f"{style}_style.jsonl"
    choices = [f"data/suite@data.{role}={style}" for role in ("train", "heldout")]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["data=files", *choices, f"data.train.path={path}", f"data.heldout.path={path}"])
    table = instantiate(cfg.data)._tables["train"]
    assert all(judge.readable([answer for _, answer in table.rows]))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    solutions = [SOLUTION[style](row) for row in rows]
    changes = {"return ": "return None or not ", "sum(": "1 + sum(", "reverse=True": "reverse=False"}
    broken = [reduce(lambda text, old: text.replace(old, changes[old]), changes, solution) for solution in solutions]
    for (_, answer), solution, other in zip(table.rows, solutions, broken, strict=True):
        problem = Problem("id", "prompt", (0,), answer)
        texts = [f"```python\n{text}\n```" for text in (solution, other)]
        assert [verdict.status for verdict in judge.grade([(problem, text) for text in texts])] == ["right", "wrong"]
    shown = [problem for problem, _ in table.rows]
    if style == "mbpp":
        assert shown[0].endswith("letter.\nIt must pass tests such as:\nassert count_capitals('One two Three') == 2")
    else:
        assert shown == [row["prompt" if style == "humaneval" else "question"].strip() for row in rows]


@pytest.mark.parametrize(
    "answer",
    [
        *("42", "", "null", "[]", "{}", '{"tests": ""}', '{"tests": []}', '{"tests": 3}', '{"tests": ["assert f("]}'),
        *('{"tests": "f()", "entry_point": "f()"}', '{"tests": "f()", "setup": "import"}'),
        *('{"tests": "f()", "prompt": "def"}', '{"cases": {"inputs": [], "outputs": []}}', '{"cases": "x"}'),
        '{"cases": {"inputs": ["1"], "outputs": []}}',
    ],
)  # fmt: skip
def test_answers_without_tests(judge: PythonVerifier, answer: str):
    """Leave a problem out where it is read, and end a run that has one all the same."""
    assert judge.readable([answer, TASK]) == [False, True]
    with pytest.raises(ConfigError, match="verifier=python: the answer of problem id holds no tests that could be run"):
        judge.grade([(Problem("id", "prompt", (0,), answer), "")])


PROGRAMS = {
    "reads by input": ("a, b = map(int, input().split())\nprint(a + b)", "right"),
    "reads the file": ("print(sum(map(int, open(0).read().split())))", "right"),
    "reads bytes": (
        "import sys\nsys.stdout.buffer.write(b'%d' % sum(map(int, sys.stdin.buffer.read().split())))",
        "right",
    ),
    "leaves at its end": ("print(sum(map(int, input().split())), '  ')\nexit()", "right"),
    "leaves with a fault": ("print(sum(map(int, input().split())))\nexit(1)", "wrong"),
    "raises at its end": ("print(sum(map(int, input().split())))\nraise ValueError", "wrong"),
    "prints one answer": ("print(5)", "wrong"),
    "prints all answers": ("print(5)\nprint(1)", "wrong"),
    "prints without end": ("while True:\n    print('5' * 10**6)", "wrong"),
    "leaves": ("import os\nos._exit(0)", "wrong"),
    "reads what is not there": ("input()\ninput()", "wrong"),
    "counts": ("import sys\nsys.seen = getattr(sys, 'seen', 0) + 1\nprint((sys.seen * 7) % 9)", "wrong"),
    "looks for what is expected": (
        "import gc\nfound = [x for x in gc.get_objects() if isinstance(x, dict) and 'outputs' in x]\nprint(found[0])",
        "wrong",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_read_and_print(judge: PythonVerifier, name: str):
    """Judged by what they print for each input; none of them sees what it should be."""
    code, expected = PROGRAMS[name]
    cases = {"inputs": ["2 3\n", "-1 2\n", "4 3"], "outputs": ["5\n", "1", "7"]}
    for given in (cases, json.dumps(cases)):
        problem = Problem("id", "prompt", (0,), json.dumps({"cases": given}))
        (verdict,) = judge.grade([(problem, f"```python\n{code}\n```")])
        assert verdict.status == expected


def test_a_check_is_called_with_the_function():
    task = read(
        json.dumps({"tests": "def check(f):\n    assert f()", "entry_point": "g", "prompt": "def g():\n    # 1"})
    )
    assert task is not None
    assert task.tests.endswith("check(g)\n")
    assert task.setup == ("def g():\n    # 1\n    pass\n",)
