"""The documents of evaluations: written and read again, and those of older versions as they stood on disk."""

import json
from pathlib import Path

import pytest

from rlvr.eval import Evaluation, Interval, Outcome, RunRecord, SplitRecord

BASE = Evaluation(2, ("a", "b"), (1, 0), 5.0, 0.25, 0.5)
TRAINED = Evaluation(2, ("a", "b"), (2, 1), 4.0, 0.0, 0.25)
OLDER_BASE = """{"n": 2, "problem_ids": ["a", "b"], "correct": [1, 0], "mean_length": 5.0, "truncated_share": 0.25,
    "entropy": 0.5}"""
OLDER_TRAINED = """{"n": 2, "problem_ids": ["a", "b"], "correct": [2, 1], "mean_length": 4.0, "truncated_share": 0.0,
    "entropy": 0.25}"""
OLDER_RUN = f"""{{"label": "SELF", "seed": 3, "splits": {{"heldout": {{
    "base": {OLDER_BASE}, "trained": {OLDER_TRAINED}, "guess_rate": [0.5, 0.0], "path": {{"0": {OLDER_BASE}}},
    "curves": {{"base": {{"1": {{"mean": 0.25, "low": 0.0, "high": 0.5}}}}, "guess": {{"1": 0.25, "2": 0.375}}}}
}}}}, "generated": {{"1": 64.0}}}}"""
OLDER_OUTCOME = f"""{{"label": "run", "suite": "aime25", "evaluation": {OLDER_BASE},
    "majority": {{"1": {{"mean": 0.25, "low": 0.0, "high": 0.5}}, "2": {{"mean": 0.5, "low": 0.0, "high": 1.0}}}},
    "verdicts": {{"right": 1, "wrong": 3}}, "max_new_tokens": 10, "temperature": 0.6, "top_p": 0.95, "samples": "s",
    "pass_at_k": {{"1": {{"mean": 0.25, "low": 0.0, "high": 0.5}}, "2": {{"mean": 0.5, "low": 0.0, "high": 1.0}}}}}}"""


def run_record() -> RunRecord:
    return RunRecord("SELF", 3, {"heldout": SplitRecord(BASE, TRAINED, [0.5, 0.0], {0: BASE})}, {1: 64.0})


def outcome() -> Outcome:
    votes = {1: Interval(0.25, 0.0, 0.5), 2: Interval(0.5, 0.0, 1.0)}
    return Outcome("run", "aime25", BASE, votes, {"right": 1, "wrong": 3}, 10, 0.6, 0.95, "s")


def test_what_is_written_is_read_again(tmp_path: Path):
    """Both documents, and the curves that stand in both in one shape: by k, a mean with its interval."""
    run_record().write(tmp_path)
    outcome().write(tmp_path)
    assert RunRecord.read(tmp_path) == run_record()
    assert Outcome.read(tmp_path) == outcome()
    run = json.loads((tmp_path / "pass_at_k.json").read_text())["splits"]["heldout"]["curves"]
    one = json.loads((tmp_path / "evaluation.json").read_text())["curves"]
    assert set(run) == {"base", "trained", "difference", "guess"}
    assert set(one) == {"pass", "majority"}
    for curve in (*run.values(), *one.values()):
        assert [set(interval) for interval in curve.values()] == [{"mean", "low", "high"}] * 2
    assert run["base"] == one["pass"]
    assert run["guess"]["2"] == dict.fromkeys(("mean", "low", "high"), pytest.approx(0.375))
    assert run["difference"]["1"]["mean"] == 0.5


def test_documents_of_older_versions_are_read(tmp_path: Path):
    """The same records come of them."""
    (tmp_path / "pass_at_k.json").write_text(OLDER_RUN)
    (tmp_path / "evaluation.json").write_text(OLDER_OUTCOME)
    assert RunRecord.read(tmp_path) == run_record()
    assert Outcome.read(tmp_path) == outcome()


def test_a_run_of_before_generated_tokens_were_counted(tmp_path: Path):
    """It has none."""
    document = json.loads(OLDER_RUN)
    del document["generated"]
    (tmp_path / "pass_at_k.json").write_text(json.dumps(document))
    assert RunRecord.read(tmp_path).generated == {}
