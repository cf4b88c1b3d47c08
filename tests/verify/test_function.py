"""Rewards by a user's own function, alone and weighted with others."""

import json
import math
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rlvr.build.parts import rules_of
from rlvr.checkpoint.changes import changes
from rlvr.errors import ConfigError, RunError
from rlvr.preflight.settings import check, check_evaluation
from rlvr.types import Problem, Verdict
from rlvr.verify import FunctionVerifier, WeightedVerifier
from tests.test_configs import CONFIGS

FILE = """
import time

WORTH = {"plain": 1, "much": 2.5, "part": 0.25, "minus": -3.0, "nan": float("nan"), "inf": float("inf"), "text": "1",
    "none": None, "paid": (0.5, "right"), "poor": (7, "wrong"), "odd": (1.0, "timeout"), "bad": (float("nan"), "right"),
    "long": (1.0, "right", 3), "list": [1.0, "right"], "unsaid": (1.0, None)}


def score(problem, completion, answer):
    print("noise", completion, flush=True)
    if completion == "hangs":
        time.sleep(60)
    if completion == "hog":
        return float(len(bytearray(8 * 2**30)))
    if completion == "leaves":
        raise SystemExit
    if completion == "writes":
        open("canary", "w").write("x")
    return WORTH[completion]


def texts(problem, completion, answer):
    return float((problem, completion, answer) == ("the prompt", "the text", "the answer"))


def two(problem, completion):
    return 1.0


three = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the folder where the command is started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE)
    (tmp_path / "broken.py").write_text("import no_such_package\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    return tmp_path / "mine.py"


def verifier(function: str = "mine.py:score", **settings) -> FunctionVerifier:
    return FunctionVerifier(function, **{"workers": 1, "timeout_s": 2.0, "memory_gib": 2.0, **settings})


def grade(judge, *texts: str) -> list[Verdict]:
    return judge.grade([(Problem(text, "the prompt", (0,), "the answer"), text) for text in texts])


def composed(*overrides: str, entry: str = "train"):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(entry, ["paths.run_dir=run", "paths.log_dir=logs", *overrides])


def test_what_a_function_returns(mine: Path, capfd: pytest.CaptureFixture[str]):
    """A number is reward and status, a pair says both; what is neither is an error, and prints disturb nothing."""
    expected = {
        **{"plain": ("right", 1.0), "much": ("right", 2.5), "part": ("wrong", 0.25), "minus": ("wrong", -3.0)},
        **{"paid": ("right", 0.5), "poor": ("wrong", 7.0)},
        **dict.fromkeys(["nan", "inf", "text", "none", "odd", "bad", "long", "list", "unsaid", "raises"], ("error", 0)),
    }
    verdicts = grade(verifier(), *expected)
    assert {text: (one.status, one.reward) for text, one in zip(expected, verdicts, strict=True)} == expected
    printed = capfd.readouterr()
    assert "noise plain" in printed.out
    assert printed.err.count("verifier.function=mine.py:score failed: ValueError: ") == 1
    assert "verifier.function=mine.py:score failed: KeyError: 'raises'." in printed.err


def test_what_a_function_is_given(mine: Path):
    assert [verdict.status for verdict in grade(verifier("mine.py:texts"), "the text", "a text")] == ["right", "wrong"]


def test_a_function_that_runs_away_costs_its_own_completion(mine: Path):
    """Which is worth what the setting says; memory, exits and files are refused it."""
    expected = {"hangs": "timeout", "hog": "error", "leaves": "error", "writes": "error", "plain": "right"}
    verdicts = grade(verifier(failed=-1.0), *expected)
    assert [verdict.status for verdict in verdicts] == list(expected.values())
    assert [verdict.reward for verdict in verdicts] == [-1.0, -1.0, -1.0, -1.0, 1.0]
    assert not (mine.parent / "canary").exists()


def test_a_function_that_fails_everywhere_ends_the_run(mine: Path):
    with pytest.raises(
        RunError, match=r"8 of 8 answers could not be graded, more than verifier\.max_failed_share=0\.5"
    ):
        grade(verifier(max_failed_share=0.5), *(f"unknown {index}" for index in range(8)))


def test_workers_keep_to_the_file_as_it_was(mine: Path):
    """Those that replace killed ones, too; a config that was made for another content is refused."""
    judge = verifier()
    mine.write_text("def score(problem, completion, answer):\n    return 0.0\n")
    assert grade(judge, "plain", "leaves", "much") == [
        Verdict("right", 1.0),
        Verdict("error", 0.0),
        Verdict("right", 2.5),
    ]
    assert grade(verifier(), "plain") == [Verdict("wrong", 0.0)]
    with pytest.raises(ConfigError, match=r"verifier\.content=12345678: mine\.py holds something else, "):
        verifier(content="12345678")


MUST = "must be FILE.py:NAME, a function of (problem, completion, answer), but "


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        ("mine.py", "it has no `:`."),
        ("nowhere.py:score", "there is no file nowhere.py in "),
        ("mine.py:scor", "mine.py defines no scor; did you mean score?"),
        ("mine.py:", "mine.py defines no ."),
        ("mine.py:three", "three is nothing that can be called."),
        ("mine.py:two", "two can't be called with these three (too many positional arguments)."),
        ("broken.py:score", "broken.py can't be run (ModuleNotFoundError: No module named 'no_such_package')."),
        ("leaves.py:score", "leaves.py can't be run (SystemExit: 0)."),
    ],
)
def test_functions_that_are_refused(mine: Path, function: str, fault: str):
    """Before anything starts, alone or as a part, of a training or an evaluation."""
    alone = ["verifier=function", f"verifier.function={function}"]
    part = ["verifier=weighted", f"verifier.parts.format.function={function}"]
    for call, key in (
        (lambda: check(composed(*alone)), "verifier.function"),
        (lambda: check(composed(*part)), "verifier.parts.format.function"),
        (lambda: check_evaluation(composed(*alone, entry="eval")), "verifier.function"),
        (lambda: verifier(function), "verifier.function"),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        assert str(caught.value).startswith(f"{key}={function}: {MUST}{fault}")
        assert "\n" not in str(caught.value)


def test_no_function_is_refused():
    with pytest.raises(
        ConfigError, match=r"^verifier\.function: not given; it must be text: FILE\.py:NAME, a function"
    ):
        check(composed("verifier=function"))


def test_a_changed_file_is_a_changed_setting(mine: Path):
    """Which a run that goes on refuses, and by which stored samples are judged again; a part's as well."""
    for overrides, key in (
        (["verifier=function", "verifier.function=mine.py:score"], "verifier.content"),
        (["verifier=weighted", "verifier.parts.format.function=mine.py:score"], "verifier.parts.format.content"),
    ):
        mine.write_text(FILE)
        before = composed(*overrides)
        OmegaConf.resolve(before)
        rules = rules_of(before)
        mine.write_text(FILE.replace("0.25", "0.75"))
        (change,) = changes(before, composed(*overrides))
        assert (change.key, change.fixed) == (key, True)
        assert rules_of(composed(*overrides)) != rules == rules_of(before)


class Fixed:
    """Gives every completion the same verdict."""

    def __init__(self, verdict: Verdict, name: str = "") -> None:
        self.verdict, self.name = verdict, name

    def grade(self, items):
        return [self.verdict] * len(items)

    def readable(self, answers):
        return [answer == self.name for answer in answers]

    def answer(self, text):
        return self.name


def test_a_weighted_sum_has_the_status_of_one_part():
    parts = {
        "bonus": Fixed(Verdict("right", 0.5), "b"),
        "answer": Fixed(Verdict("timeout", -1.0, formatted=False), "a"),
    }
    judge = WeightedVerifier(parts, {"answer": 2.0, "bonus": 0.1}, status_from="answer")
    (verdict,) = grade(judge, "text")
    assert (verdict.status, verdict.formatted) == ("timeout", False)
    assert verdict.reward == pytest.approx(-1.95)
    assert verdict.parts == (("bonus", 0.5), ("answer", -1.0))
    assert judge.readable(["a", "b"]) == [True, False]
    assert judge.answer("text") == "a"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "verifier.status_from=short",
            "verifier.status_from=short: must name a part of verifier.parts: answer, format.",
        ),
        (
            "+verifier.weights.short=1",
            "verifier.weights: must give each part of verifier.parts a weight, answer, format, but names answer, fo",
        ),
        (
            "~verifier.weights.format",
            "verifier.weights: must give each part of verifier.parts a weight, answer, format, b",
        ),
        ("verifier.weights.format=x", "verifier.weights.format=x: must be a number."),
        ("verifier.parts.format=null", "verifier.parts.format=null: must be a group of keys."),
    ],
)
def test_weights_that_are_refused(tmp_path: Path, override: str, sentence: str):
    with pytest.raises(ConfigError) as caught:
        check(composed(f"paths.log_dir={tmp_path}", "verifier=weighted", override))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_partial_scores_are_parts_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Reasoning-gym's, where they are asked for."""
    reasoning_gym = pytest.importorskip("reasoning_gym", reason="reasoning_gym is in the extra `math`")
    overrides = ["verifier=weighted", "verifier@verifier.parts.answer=reasoning_gym", "verifier.weights.answer=2"]
    monkeypatch.chdir(CONFIGS.parent)
    overrides.append(f"paths.log_dir={tmp_path}")
    cfg = composed(*overrides, "verifier.parts.answer.partial=true", "verifier.parts.answer.timeout_s=20")
    check(cfg)
    entry = {"question": "2 + 3 =", "answer": "5", "metadata": {}}
    problem = Problem("sum", "", (0,), json.dumps({"task": "chain_sum", "entry": entry}))
    score = reasoning_gym.get_score_answer_fn("chain_sum")("5 apples", entry)
    (verdict,) = instantiate(cfg.verifier).grade([(problem, r"\boxed{5 apples}")])
    assert 0 < score < 1
    assert verdict.parts == (("answer", pytest.approx(score)), ("format", 1.0))
    assert verdict.status == "wrong"
    assert math.isclose(verdict.reward, 2 * score + 0.1)
