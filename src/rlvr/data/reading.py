"""Reads rows of problems and answers with the `datasets` library: from the hub, its offline cache, or a file."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from rlvr.errors import ConfigError
from rlvr.lists import written_list
from rlvr.types import ALTERNATIVE

READERS = {".parquet": "parquet", ".jsonl": "json", ".csv": "csv"}
Row = tuple[str, str]  # problem and answer


@dataclass(frozen=True)
class TextSet:
    """Where problems and answers stand.

    Attributes:
        path: Hub name, or a local .parquet, .jsonl or .csv file.
        name: Configuration of a hub data set, where it has several.
        split: Split, a slice such as `train[:100]` included; a file has only `train`, unsliced.
        revision: Commit, tag or branch of a hub name.
        problem_column: Column with the problem.
        answer_column: Column with the reference answer, in the form that the verifier reads; or several, by the names
            that it knows them by, which become one JSON object.
        limit: Problems at most, the first ones after cleaning; null for all.
        answers: What several answers in one row are, a list or a text that writes one: the answer is `all` or `any` of
            them.
        answer_after: The answer follows the last of these in its column, as `####` in GSM8K; null for all of it.
        shown_tests: So many of the answer's `tests`, a list, stand below the problem.
    """

    path: str
    name: str | None
    split: str
    revision: str | None
    problem_column: str
    answer_column: str | Mapping[str, str]
    limit: int | None
    answer_after: str | None = None
    answers: Literal["all", "any"] = "all"
    shown_tests: int = 0

    @property
    def columns(self) -> dict[str, str]:
        """Every column that is read, by the setting that names it."""
        answer = self.answer_column
        named = (
            {"answer_column": answer}
            if isinstance(answer, str)
            else {f"answer_column.{name}": column for name, column in answer.items()}
        )
        return {"problem_column": self.problem_column, **named}


@dataclass(frozen=True)
class Table:
    """What was read.

    Attributes:
        path: Path or hub name.
        part: Which part of it: configuration and split.
        revision: The commit that a hub data set was read at, where it is known.
        rows: (problem, answer) of each row, stripped; what is missing is empty.
    """

    path: str
    part: str
    revision: str | None
    rows: list[Row]

    @property
    def fingerprint(self) -> str:
        """A short hash of the rows and their order, the same wherever they were read from."""
        return hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()[:12]


def read(part: TextSet, key: str) -> Table:
    """Read a set, the columns of its map only.

    Args:
        part: What to read.
        key: Where it stands in the config, for error messages.

    Raises:
        ConfigError: When it can't be read, has no such column, or is not of the revision that the config pins.
    """
    file = Path(part.path)
    table, revision = _file(part, file, key) if file.suffix in READERS else _hub(part, key)
    for setting, column in part.columns.items():
        if table and column not in table[0]:
            raise ConfigError(f"{key}.{setting}={column}: {part.path} has only the columns {', '.join(table[0])}.")
    rows = [(_problem(row, part), _answer(row, part)) for row in table]
    return Table(part.path, " ".join(filter(None, (part.name, part.split))), revision, rows)


def _file(part: TextSet, file: Path, key: str) -> tuple[list[dict[str, Any]], None]:
    datasets = _library(key)
    if not file.is_file():
        raise ConfigError(f"{key}.path={part.path}: there is no such file; check the path.")
    reader = READERS[file.suffix]
    options: dict[str, Any] = {"data_files": {"train": str(file)}}
    if reader == "csv":  # guesses types, which would make 7 into 7.0 and lose the answer `None`
        options |= {"converters": dict.fromkeys(part.columns.values(), str), "keep_default_na": False}
    try:
        # Streaming reads the file itself, where the default reads a copy that it keeps in a cache.
        return list(datasets.load_dataset(reader, split=part.split, streaming=True, **options)), None
    except Exception as error:  # whatever a reader makes of a broken file
        raise ConfigError(f"{key}.path={part.path}: is empty or can't be read; {_first_line(error)}") from error


def _hub(part: TextSet, key: str) -> tuple[list[dict[str, Any]], str | None]:
    if Path(part.path).is_file():
        raise ConfigError(f"{key}.path={part.path}: files are read that end in {', '.join(READERS)}; convert it.")
    datasets = _library(key)
    try:
        table = datasets.load_dataset(part.path, part.name, split=part.split, revision=part.revision)
    except OSError as error:  # not reachable, not there, or not allowed
        raise ConfigError(
            f"{key}.path={part.path}: not in the cache and not to be had from the hub ({_first_line(error)}); download "
            "it beforehand where there is a network, or give a .parquet, .jsonl or .csv file."
        ) from error
    except (ValueError, datasets.exceptions.DatasetsError) as error:  # no such name or split, or broken
        raise ConfigError(f"{key}.path={part.path}: can't be read; {_first_line(error)}") from error
    revision = _cached_revision(table)
    # Offline, `datasets` takes the newest copy in its cache, whichever revision was asked for.
    if part.revision and _is_commit(part.revision) and revision not in (None, part.revision):
        raise ConfigError(
            f"{key}.revision={part.revision}: the cache holds {part.path} at {revision}; download the pinned revision "
            "where there is a network, or pin this one."
        )
    return list(table), revision


def _cached_revision(table: Any) -> str | None:
    """The commit that names the folder of the cache which the rows stand in."""
    folders = {Path(file["filename"]).parent.name for file in table.cache_files}
    return next((folder for folder in folders if _is_commit(folder)), None)


def _is_commit(revision: str) -> bool:
    return re.fullmatch("[0-9a-f]{40}", revision) is not None


def _library(key: str) -> ModuleType:
    try:
        import datasets  # slow to import, and optional
    except ImportError:
        raise ConfigError(f"{key}: reading problem sets takes more packages; pip install 'rlvr[math]'.") from None
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # its errors are raised, and the report says the rest
    return datasets


def _problem(row: Mapping[str, Any], part: TextSet) -> str:
    problem = _text(row.get(part.problem_column))
    if not part.shown_tests or isinstance(part.answer_column, str):
        return problem
    shown = map(_text, listed(row.get(part.answer_column.get("tests", "")))[: part.shown_tests])
    return "\n".join([problem, "It must pass tests such as:", *shown])


def _answer(row: Mapping[str, Any], part: TextSet) -> str:
    if not isinstance(part.answer_column, str):
        return json.dumps({name: row.get(column) for name, column in part.answer_column.items()})
    value = row.get(part.answer_column)
    if part.answers == "any":
        return ALTERNATIVE.join(map(_text, listed(value) or [value]))
    text = _text(value)
    if part.answer_after is None:
        return text
    return text.rpartition(part.answer_after)[2].strip() if part.answer_after in text else ""


def listed(value: Any) -> list[Any]:
    """The items of a list, or of a text that writes one; else none."""
    return written_list(value) if isinstance(value, str) else value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """The value as text; several answers to one problem, a list, stand side by side."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value).strip()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
