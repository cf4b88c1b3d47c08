"""Reads the rows of files that other programs have written. Rows are numbered from 1."""

import json
from collections.abc import Iterator, Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.errors import ConfigError

Row = Mapping[str, Any]
SUFFIXES = (".parquet", ".jsonl")


def files_of(label: str, named: str | Sequence[str]) -> list[Path]:
    """The paths of a policy's files, after checks that each exists and has a known suffix.

    Args:
        label: The setting that an error message names.
        named: Names of files, or patterns with a *, which stand for all files that they match.

    Raises:
        ConfigError: When a file is missing, has another suffix, or is named twice.
    """
    paths: list[Path] = []
    for name in [named] if isinstance(named, str) else named:
        path = Path(name)
        matching = [path]
        if has_magic(name) and not path.is_file():
            matching = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not matching or not all(each.is_file() for each in matching):
            raise ConfigError(f"{label}: there is no file {name}; name .parquet or .jsonl files of samples.")
        paths += matching
    for path in paths:
        if path.suffix not in SUFFIXES:
            raise ConfigError(f"{label}: {path} is neither a .parquet nor a .jsonl file; write it as one of these.")
        if paths.count(path) > 1:
            raise ConfigError(f"{label}: {path} is named twice, and its samples would count twice; name it once.")
    if not paths:
        raise ConfigError(f"{label}: no file is named; name .parquet or .jsonl files of samples.")
    return paths


def rows_of(path: Path) -> Iterator[tuple[int, Row]]:
    """Every row of a file with its number. In a .jsonl file this is the number of the line.

    Raises:
        ConfigError: When the file or a row of it can't be read.
    """
    yield from _parquet(path) if path.suffix == ".parquet" else _jsonl(path)


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        after = f" after row {number}" if number else ""
        raise ConfigError(f"{path}: can't be read as parquet{after} ({reason}); write it again.") from error


def _jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(
                    f"{path}, row {number}: is not JSON ({error}); a file that was cut off ends so, and has to be "
                    "written again or shortened."
                ) from error
            if not isinstance(row, dict):
                raise ConfigError(f"{path}, row {number}: must be an object, a key for each column, not {line[:40]!r}.")
            yield number, row
