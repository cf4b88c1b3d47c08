"""The one table of graded samples: what a group says, and tables of older versions by today's names."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.eval import SampleStore
from rlvr.step import SCHEMA, read_table, table_of, write_table
from rlvr.step.table import prompt_id, text_id, with_columns
from rlvr.types import Completion, Group, Problem, Verdict

PROBLEM = Problem("p", "1 + 1 =", (4, 5), "2")
GROUP = Group(
    PROBLEM,
    (Completion((7, 8), (-0.5, -0.25), "2", "stop"), Completion((9,), (-1.0,), "3", "length")),
    (Verdict("right", 1.0), Verdict("wrong", -0.5, formatted=False)),
    version=3,
)


def test_a_group_as_rows(tmp_path: Path):
    """All that it says, what is further given, and null for the rest."""
    write_table(tmp_path / "a.parquet", table_of([GROUP], [8], advantage=[0.5, -0.5]))
    assert pq.read_schema(tmp_path / "a.parquet") == SCHEMA
    common = {"problem_id": "p", "prompt": "1 + 1 =", "prompt_id": prompt_id(PROBLEM), "version": 3}
    common |= {"answer": None, "rules": None, "weight": None}
    right = {"sample": 8, "status": "right", "reward": 1.0, "formatted": True, "finish": "stop", "tokens": 2}
    wrong = {"sample": 9, "status": "wrong", "reward": -0.5, "formatted": False, "finish": "length", "tokens": 1}
    right |= {"logp": -0.75, "text": "2", "text_id": text_id("2"), "advantage": 0.5}
    wrong |= {"logp": -1.0, "text": "3", "text_id": text_id("3"), "advantage": -0.5}
    assert read_table(tmp_path / "a.parquet").to_pylist() == [common | right, common | wrong]


def test_groups_as_one_table():
    """One after the other, each numbered from its own first sample."""
    other = Group(Problem("q", "2 + 1 =", (4, 6), "3"), GROUP.completions[1:], (Verdict("right", 1.0),), version=3)
    both = table_of([GROUP, other], [8, 2], answer=["2", "3", "3"])
    assert both.schema == SCHEMA
    first, second = table_of([GROUP], [8], answer=["2", "3"]), table_of([other], [2], answer=["3"])
    assert both.to_pylist() == first.to_pylist() + second.to_pylist()
    assert both["sample"].to_pylist() == [8, 9, 2]
    assert table_of([]).num_rows == 0


def write_older(path: Path, row: dict, types: dict[str, pa.DataType]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema(list(types.items()))
    pq.write_table(pa.Table.from_pylist([row], schema=schema), path)


def test_a_training_table_of_an_older_version(tmp_path: Path):
    """Its words for status, text and weight; beside parts of today, as in a run that was gone on with."""
    types = {"version": pa.int32(), **dict.fromkeys(("problem_id", "prompt", "completion", "verdict"), pa.string())}
    types |= {"advantage": pa.float32(), "filter_weight": pa.float32(), "tokens": pa.int32(), "finish": pa.string()}
    row = {"version": 1, "problem_id": "p", "prompt": "1 + 1 =", "completion": "2", "verdict": "right"}
    row |= {"advantage": 0.5, "filter_weight": 1.0, "tokens": 1, "finish": "stop"}
    write_older(tmp_path / "samples.parquet" / "part-0000001-0.parquet", row, types)
    write_table(tmp_path / "samples.parquet" / "part-0000003-0.parquet", table_of([GROUP]))
    (tmp_path / "samples.parquet" / ".part-0000005-0.parquet").write_bytes(b"half of a file")
    old, *new = read_table(tmp_path / "samples.parquet").to_pylist()
    assert [row["version"] for row in new] == [3, 3]
    found = {"version": 1, "problem_id": "p", "prompt": "1 + 1 =", "text": "2", "status": "right", "finish": "stop"}
    found |= {"advantage": 0.5, "weight": 1.0, "tokens": 1, "text_id": text_id("2")}
    assert old == dict.fromkeys(SCHEMA.names) | found
    assert read_table(tmp_path / "samples.parquet", ["text_id", "status"])[:1].to_pylist() == [
        {"text_id": text_id("2"), "status": "right"}
    ]


def test_an_evaluation_of_an_older_run(tmp_path: Path):
    """The same names, fewer columns; a text that was left out has its id."""
    types = dict.fromkeys(("problem_id", "prompt", "status", "finish", "text"), pa.string())
    types |= {"sample": pa.int32(), "tokens": pa.int32(), "text_id": pa.int64()}
    row = {"problem_id": "p", "prompt": "1 + 1 =", "status": "wrong", "finish": "length", "text": None}
    row |= {"sample": 5, "tokens": 9, "text_id": 17}
    write_older(tmp_path / "heldout-base.parquet", row, types)
    assert read_table(tmp_path / "heldout-base.parquet").to_pylist() == [dict.fromkeys(SCHEMA.names) | row]


def test_a_store_of_an_older_version(tmp_path: Path):
    """Its `prompt` was the prompt's id; what is there is found by it, and judged again by other rules."""
    names = ("problem_id", "prompt", "status", "rules", "answer", "finish", "text")
    types = {**dict.fromkeys(names, pa.string()), "sample": pa.int32(), "tokens": pa.int32(), "logp": pa.float64()}
    row = {"problem_id": "p", "prompt": prompt_id(PROBLEM), "status": "wrong", "rules": "a", "answer": "2"}
    row |= {"finish": "stop", "text": "2", "sample": 0, "tokens": 2, "logp": -0.75}
    write_older(tmp_path / "x.parquet", row, types)
    store = SampleStore(tmp_path)
    asked = ("problem_id", "prompt_id", "sample", "prompt")
    there = {"problem_id": "p", "prompt_id": prompt_id(PROBLEM), "sample": 0, "prompt": None}
    assert store.read(asked).to_pylist() == [there]
    assert store.judge_again("b", lambda table: with_columns(table, status=["right"], rules=["b"])) == 1
    assert store.read((*asked, "status", "answer", "logp")).to_pylist() == [
        {**there, "status": "right", "answer": "2", "logp": -0.75}
    ]
