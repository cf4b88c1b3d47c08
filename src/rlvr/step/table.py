"""Graded samples as a table: one schema for every table of them, whoever writes it."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.files import write_whole
from rlvr.types import Group, Problem, Verdict

# A column is null where a table lacks its value: an evaluation has no advantage, a training no grading rules.
SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("prompt", pa.string()),  # the text that the policy saw
        ("prompt_id", pa.string()),  # equal for equal prompts, token by token
        ("sample", pa.int32()),  # which of the problem's completions at this version, from 0
        ("version", pa.int32()),  # optimizer steps that the policy had taken
        ("status", pa.string()),  # right, unevaluated, wrong, timeout or error
        ("reward", pa.float64()),  # what the policy learns from
        ("formatted", pa.bool_()),  # whether the answer stands where it was asked for
        ("answer", pa.string()),  # the final answer as votes count it; empty where there is none
        ("rules", pa.string()),  # names the grading rules that gave the verdict
        ("finish", pa.string()),  # stop or length
        ("tokens", pa.int32()),  # of the completion
        ("logp", pa.float64()),  # natural-log probability of the whole completion, nats
        ("text_id", pa.int64()),  # equal for equal texts, so that they can be counted where they were left out
        ("text", pa.string()),  # the completion; null where it was left out
        ("advantage", pa.float32()),  # masked and weighted by the filter
        ("weight", pa.float32()),  # the filter's weight of the problem; 0: it did not update the policy
    ]
)


def table_of(groups: Sequence[Group], first_P: Sequence[int] = (), **more: Iterable[Any]) -> pa.Table:
    """A row a completion, of all that P groups say, one group after the other.

    Args:
        groups: Graded completions, each group of one problem.
        first_P: Number of each group's first completion among those of its problem; 0 where not given.
        more: Further columns by name, a value a completion.
    """
    completions = [one for group in groups for one in group.completions]
    texts = [one.text for one in completions]
    ids = {text: text_id(text) for text in set(texts)}  # many rollouts of a group say the same
    group_of = pa.array([place for place, group in enumerate(groups) for _ in group.completions], pa.int64())
    of_group = {
        "problem_id": [group.problem.id for group in groups],
        "prompt": [group.problem.prompt for group in groups],
        "prompt_id": [prompt_id(group.problem) for group in groups],
        "version": [group.version for group in groups],
    }
    numbered = zip(first_P or [0] * len(groups), groups, strict=True)
    columns: dict[str, Iterable[Any]] = {
        "sample": [first + i for first, group in numbered for i in range(len(group.completions))],
        "finish": [one.finish for one in completions],
        "tokens": [len(one.token_ids) for one in completions],
        "logp": [sum(one.logps) for one in completions],
        "text_id": [ids[text] for text in texts],
        "text": texts,
        **columns_of([verdict for group in groups for verdict in group.verdicts]),
        **more,
    }
    empty = pa.table([pa.nulls(len(texts), field.type) for field in SCHEMA], schema=SCHEMA)
    repeated = {name: pa.array(values, SCHEMA.field(name).type).take(group_of) for name, values in of_group.items()}
    return with_columns(empty, **repeated, **columns)


def columns_of(verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    """What verdicts say, by column."""
    return {name: [getattr(verdict, name) for verdict in verdicts] for name in ("status", "reward", "formatted")}


def with_columns(table: pa.Table, **values: Iterable[Any]) -> pa.Table:
    """The same rows with other values in these columns."""
    for name, column in values.items():
        field = table.schema.field(name)
        held = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column, field.type)
        table = table.set_column(table.schema.get_field_index(name), field, held)
    return table


def prompt_id(problem: Problem) -> str:
    """Twelve hexadecimal digits, so that samples are never taken for those of another template."""
    return uuid.uuid5(uuid.NAMESPACE_OID, repr(problem.prompt_ids)).hex[:12]


def text_id(text: str) -> int:
    """A 64-bit hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def write_table(path: Path, table: pa.Table) -> None:
    """One parquet file, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def read_table(path: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> pa.Table:
    """These columns of a file, or of all files of a folder, as `SCHEMA` has them, also of tables of older versions."""
    files = sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]
    wanted = pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables([wanted.empty_table(), *(_read(file, wanted) for file in files)])


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    with pq.ParquetFile(path) as file:
        held = set(file.schema_arrow.names)
        source = {name: name for name in SCHEMA.names} | _older_names(held)
        needed = {source[name] for name in wanted.names}
        if "text_id" in needed - held:
            needed.add(source["text"])
        table = file.read(columns=sorted(needed & held))
    return pa.table([_column(table, source, field) for field in wanted], schema=wanted)


def _older_names(held: set[str]) -> dict[str, str]:
    """By today's name, what a table with these columns called a thing before there was one schema."""
    if "verdict" in held:  # a training's table
        return {"status": "verdict", "text": "completion", "weight": "filter_weight"}
    if "rules" in held and "prompt_id" not in held:  # an evaluation's store, whose `prompt` was the prompt's id
        return {"prompt_id": "prompt", "prompt": ""}
    return {}


def _column(table: pa.Table, source: dict[str, str], field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if source[field.name] in table.column_names:
        return table[source[field.name]].cast(field.type)
    if field.name == "text_id" and source["text"] in table.column_names:
        return pa.array(map(text_id, table[source["text"]].to_pylist()), field.type)
    return pa.nulls(table.num_rows, field.type)
