"""Graded samples as rows: one schema for every table of them, whoever writes it."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.files import write_whole
from rlvr.types import Group, Problem

# A table has null where it has no such thing: an evaluation no advantage, a training no grading rules.
SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("prompt", pa.string()),  # the text that the policy saw
        ("prompt_id", pa.string()),  # equal for equal prompts, token by token
        ("sample", pa.int32()),  # which of the problem's completions at this version, from 0
        ("version", pa.int32()),  # optimizer steps that the policy had taken
        ("status", pa.string()),  # right, wrong, timeout or error
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
Row = dict[str, Any]


def rows_of(group: Group, first: int = 0, **more: Sequence[Any]) -> list[Row]:
    """A row a completion, of all that a group says.

    Args:
        group: Graded completions of one problem.
        first: Number of the first of them among the problem's completions.
        more: Further columns by name, a value a completion.
    """
    prompt, columns = prompt_id(group.problem), list(more.items())
    return [
        {
            "problem_id": group.problem.id,
            "prompt": group.problem.prompt,
            "prompt_id": prompt,
            "sample": first + index,
            "version": group.version,
            "status": verdict.status,
            "reward": verdict.reward,
            "formatted": verdict.formatted,
            "finish": one.finish,
            "tokens": len(one.token_ids),
            "logp": sum(one.logps),
            "text_id": text_id(one.text),
            "text": one.text,
            **{name: values[index] for name, values in columns},
        }
        for index, (one, verdict) in enumerate(zip(group.completions, group.verdicts, strict=True))
    ]


def prompt_id(problem: Problem) -> str:
    """Twelve hexadecimal digits, so that samples are never taken for those of another template."""
    return uuid.uuid5(uuid.NAMESPACE_OID, repr(problem.prompt_ids)).hex[:12]


def text_id(text: str) -> int:
    """A 64-bit hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """One parquet file, whole or not at all; a column that no row has is null."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def read_table(path: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> pa.Table:
    """These columns of a file, or of all files of a folder, as `SCHEMA` has them, also of tables of older versions."""
    files = sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]
    wanted = pa.schema([SCHEMA.field(name) for name in columns])
    return pa.concat_tables([wanted.empty_table(), *(_read(file, wanted) for file in files)])


def _read(path: Path, wanted: pa.Schema) -> pa.Table:
    held = set(pq.read_schema(path).names)
    source = {name: name for name in SCHEMA.names} | _older_names(held)
    needed = {source[name] for name in wanted.names}
    if "text_id" in needed - held:
        needed.add(source["text"])
    table = pq.read_table(path, columns=sorted(needed & held))
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
