"""What a run keeps of an evaluation's completions: every verdict, and the texts as far as they stay small."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.files import write_whole
from rlvr.ranks import Ranks
from rlvr.types import Group

# Above so many characters only a few texts of every problem are kept: the first that are right and the first that
# are not. 500 problems x 256 short answers are 1 million, the same number of long derivations 1,000 million.
ALL_TEXTS = 2**25
FEW = 4

SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("prompt", pa.string()),
        ("sample", pa.int32()),  # which of the problem's samples, from 0
        ("status", pa.string()),  # the verdict
        ("finish", pa.string()),  # stop or length
        ("tokens", pa.int32()),
        ("text_id", pa.int64()),  # equal for equal texts, so that they can be counted where they were not kept
        ("text", pa.string()),  # null where it was not kept
    ]
)


def write_kept(
    path: Path,
    groups: Sequence[Group],
    ranks: Ranks,
) -> None:
    """One row a sample, as `SCHEMA` says, whole or not at all: a collective, the first rank writes.

    Args:
        path: A parquet file.
        groups: This rank's part.
        ranks: Among which all problems were dealt out.
    """
    size = sum(ranks.pool([sum(len(one.text) for group in groups for one in group.completions)]))
    mine = [list(_rows(group, all_texts=size <= ALL_TEXTS)) for group in groups]
    rows = [row for of_problem in ranks.gather(mine) for row in of_problem]
    if ranks.rank:
        return
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=SCHEMA), sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def _rows(group: Group, all_texts: bool) -> Iterator[tuple[Any, ...]]:
    seen: Counter[bool] = Counter()
    problem = group.problem
    for number, (one, verdict) in enumerate(zip(group.completions, group.verdicts, strict=True)):
        right = verdict.status == "right"
        text = one.text if all_texts or seen[right] < FEW else None
        seen[right] += 1
        ended = (one.finish, len(one.token_ids))
        yield (problem.id, problem.prompt, number, verdict.status, *ended, text_id(one.text), text)


def text_id(text: str) -> int:
    """A 64-bit hash."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
