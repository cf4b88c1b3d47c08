"""What is wrong with files of samples ends the command in one sentence: what, in which file and row, and what to do."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import foreign
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlvr.errors import ConfigError
from rlvr.report.outside import Wanted, report_samples

GOOD = [{"problem": p, "sample": i, "correct": bool(i)} for p in "ab" for i in (0, 1)]


def refused(tmp_path: Path, mine: Sequence[Any] | str, **wanted: Any) -> str:
    """The sentence on a good base and these rows; nothing is written."""
    base = foreign.jsonl(tmp_path / "base.jsonl", GOOD)
    path = tmp_path / "mine.jsonl"
    path.write_text(mine if isinstance(mine, str) else "".join(json.dumps(row) + "\n" for row in mine))
    with pytest.raises(ConfigError) as caught:
        report_samples({"base": str(base), "mine": str(path)}, Wanted(**wanted), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    said = str(caught.value).replace(f"{tmp_path}/", "")
    assert "\n" not in said
    assert said.endswith((".", "?"))
    return said


def with_row(**changed: Any) -> list[dict[str, Any]]:
    """Good rows, the third of them changed; a value of None takes the column away."""
    row = {name: value for name, value in {**GOOD[2], **changed}.items() if value is not None}
    return [*GOOD[:2], row, GOOD[3]]


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        ("", "mine.jsonl: holds no sample; give a file with a row for each."),
        ("\n \n", "mine.jsonl: holds no sample"),
        ('{"problem": "a", "correct": 1}\n{"problem": "a", "corr', "mine.jsonl, row 2: is not JSON ("),
        ("[1, 2]\n", "mine.jsonl, row 1: must be an object, a key for each column, not b'[1, 2]"),
        (
            [{"problem": "a", "answer": "4"}],
            "mine.jsonl: has no column for right or wrong among problem, answer; name it",
        ),
        ([{"correct": True, "uid": 4}], "mine.jsonl: has no column for the problem among correct, uid; name it with"),
        (with_row(correct=0.3), "mine.jsonl, row 3: correct is 0.3, neither 0 nor 1; say with threshold= from which"),
        (with_row(correct=-1), "mine.jsonl, row 3: correct is -1, neither 0 nor 1"),
        (with_row(correct=float("nan")), "mine.jsonl, row 3: correct is NaN, and must say right or wrong; grade the"),
        (with_row(correct="perhaps"), 'mine.jsonl, row 3: correct is "perhaps", and must say right or wrong'),
        (with_row(correct=None), "mine.jsonl, row 3: correct is null, and must say right or wrong"),
        (with_row(correct={"a": 1}), 'mine.jsonl, row 3: correct is {"a": 1}, and must say right or wrong'),
        (with_row(problem=None), "mine.jsonl, row 3: problem is null, and must name a problem"),
        (with_row(problem=float("nan")), "mine.jsonl, row 3: problem is NaN, and must name a problem"),
        (with_row(sample=None), "mine.jsonl, row 3: sample is null, and must number the samples of a problem."),
        (
            with_row(sample=1),
            "mine.jsonl, row 4: is sample 1 of problem b again, after row 3; leave one out, or number",
        ),
        (with_row(problem="c"), "samples.base: lacks 1 of mine's 3 problems, c for one"),
        (GOOD[:2], "samples.mine: lacks 1 of base's 2 problems, b for one; give the same problems of every policy"),
        ([*GOOD, {**GOOD[0], "problem": "c"}], "samples.base: lacks 1 of mine's 3 problems, c for one"),
        (
            GOOD[:3],
            "samples.mine: has 1 samples of problem b and 2 of problem a, and Pass@k needs as many of each; n=1",
        ),
        ([{**row, "tokens": -1} for row in GOOD], "mine.jsonl, row 1: tokens is -1, and must be a number of tokens"),
        ([{**row, "logp": 3.0} for row in GOOD], "mine.jsonl, row 1: logp is 3, and a log-probability is not above 0."),
        ([{**row, "text": ["x", "y"]} for row in GOOD], "row 1: text holds 2 answers and correct one verdict; every"),
        ([{"problem": "a", "correct": []}], "mine.jsonl, row 1: correct must be a list of as many as correct has, 0."),
        (
            [{"problem": "a", "correct": [1], "text": "x"}],
            "mine.jsonl, row 1: text must be a list of as many as correct",
        ),
    ],
)
def test_of_a_file(tmp_path: Path, mine: Any, said: str):
    assert said in refused(tmp_path, mine)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"base": "Base"}, "base=Base: samples= names base, mine; name the one to compare with."),
        ({"n": 3}, "n=3: base has 2 samples of problem a; take fewer."),
        ({"filter": "strict"}, "filter=strict: base.jsonl has no filters; leave filter= out."),
        (
            {"columns": {"correct": "corect"}},
            "columns.correct=corect: base.jsonl has no such column; did you mean correct?",
        ),
        ({"base": "mine"}, "base=mine: tables call it base, and so is another policy called; rename that."),
    ],
)
def test_of_a_setting(tmp_path: Path, wanted: dict[str, Any], said: str):
    assert said in refused(tmp_path, GOOD, **wanted)


def test_of_names(tmp_path: Path):
    """Before any file is read."""
    good = foreign.jsonl(tmp_path / "good.jsonl", GOOD)
    (tmp_path / "bad.csv").touch()
    for named, said in {
        "gone.jsonl": "there is no file gone.jsonl; name .parquet or .jsonl files of samples.",
        f"{tmp_path}/*.parquet": "there is no file",
        f"{tmp_path}/bad.csv": "is neither a .parquet nor a .jsonl file",
        str(tmp_path): "there is no file",
    }.items():
        with pytest.raises(ConfigError, match=r"^samples\.mine: ") as caught:
            report_samples({"base": str(good), "mine": named}, Wanted(), tmp_path / "out")
        assert said in str(caught.value)
    for files, said in (([str(good), f"{tmp_path}/g*.jsonl"], "is named twice"), ([], "no file is named")):
        with pytest.raises(ConfigError, match=said):
            report_samples({"base": str(good), "mine": files}, Wanted(), tmp_path / "out")
    with pytest.raises(ConfigError, match="hold base alone"):
        report_samples({"base": str(good)}, Wanted(), tmp_path / "out")
    with pytest.raises(ConfigError, match="has no column for the policy"):
        report_samples(str(good), Wanted(), tmp_path / "out")


def test_of_parquet(tmp_path: Path):
    """A file that is none, and one that was cut off; in a good one rows are counted from 1."""
    good = foreign.jsonl(tmp_path / "good.jsonl", GOOD)
    path = tmp_path / "mine.parquet"
    pq.write_table(
        pa.Table.from_pylist([{**row, "correct": None if i == 3 else 1} for i, row in enumerate(GOOD)]), path
    )
    whole = path.read_bytes()
    for content, said in (
        (whole, r"mine\.parquet, row 4: correct is null"),
        (b"PAR1", "can't be read as parquet"),
        (whole[: len(whole) // 2], "can't be read as parquet"),
    ):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=said):
            report_samples({"base": str(good), "mine": str(path)}, Wanted(), tmp_path / "out")


def test_of_filters(tmp_path: Path):
    """The harness grades the same answers once with each, and one has to be chosen."""
    graded = foreign.graded([0.5, 0.5], 4, seed=0)
    files = {name: foreign.harness(tmp_path / name, graded, ("strict", "flexible")) for name in ("base", "mine")}
    with pytest.raises(ConfigError, match=r"row 3: is of filter flexible, and rows before it are of strict"):
        report_samples(files, Wanted(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"filter=loose: .* has strict, flexible; choose one of these"):
        report_samples(files, Wanted(filter="loose"), tmp_path / "out")
    report_samples(files, Wanted(filter="strict"), tmp_path / "out")
    assert "2 problems, 4 samples of each" in (tmp_path / "out" / "report.md").read_text()


def test_of_metrics_and_repeats(tmp_path: Path):
    """Of several metrics one has to be named; of answers that have one verdict together nothing can be counted."""
    row = {"doc_id": 0, "resps": [["4", "5"]], "filtered_resps": ["4"], "metrics": ["exact_match", "f1"]}
    row |= {"exact_match": 1.0, "f1": 0.5}
    path = str(foreign.jsonl(tmp_path / "mine.jsonl", [row]))
    with pytest.raises(ConfigError, match="its metrics are exact_match, f1; name the one that says right or wrong"):
        report_samples({"base": path, "mine": path}, Wanted(), tmp_path / "out")
    text = str(foreign.jsonl(tmp_path / "text.jsonl", [{"doc": "{}", "model_response": "{}", "metric": "{}"}]))
    with pytest.raises(ConfigError, match="its metrics are none"):
        report_samples({"base": text, "mine": text}, Wanted(), tmp_path / "out")
    wanted = Wanted(columns={"correct": "exact_match"})
    with pytest.raises(ConfigError, match="row 1: resps holds 2 answers and exact_match one verdict"):
        report_samples({"base": path, "mine": path}, wanted, tmp_path / "out")
