"""Reads graded samples from files of any program. One sentence says why a row can't be understood."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from rlvr.errors import ConfigError
from rlvr.report.outside.files import Row, rows_of
from rlvr.report.outside.formats import HARNESS, Columns, columns_of
from rlvr.report.outside.values import (
    UnfitError,
    is_right,
    log_probability,
    plain_text,
    problem_name,
    sample_number,
    token_count,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """Settings of the report's command that say how to read files.

    Attributes:
        base: Name of the policy that the others are compared with.
        n: How many of the first samples of each problem count; None: all.
        threshold: Answers with at least this score are right; None: scores are 0 or 1.
        filter: Name of the filter of lm-evaluation-harness that counts; None: each file has only one.
        columns: For each thing that a column may hold, the column's name, or None to look for the known names.
    """

    base: str = "base"
    n: int | None = None
    threshold: float | None = None
    filter: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded answer. Attributes that the file does not have are None.

    Attributes:
        right: Whether the answer is right.
        prompt: The prompt.
        text: The answer.
        tokens: Number of tokens of the answer.
        logp: Log-probability of the whole answer, nats.
        order: File, number of the sample, row, and place in the row. The first samples of a problem are chosen by it.
    """

    right: bool
    prompt: str | None
    text: str | None
    tokens: int | None
    logp: float | None
    order: tuple[int, int, int, int]


@dataclass
class Policy:
    """Everything that was read of a policy.

    Attributes:
        label: Name of the policy.
        files: Files with its samples, and what their columns hold.
        samples: Its samples by problem.
    """

    label: str
    files: dict[Path, Columns] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))


def read_policies(paths: Sequence[Path], wanted: Wanted, label: str | None) -> list[Policy]:
    """The policies that some files hold, in the order of their first rows.

    Args:
        paths: Files of one policy or, without `label`, of several.
        wanted: How to read them.
        label: Name of the policy; None: a column has it.

    Raises:
        ConfigError: When a file has no row, or a row that can't be understood.
    """
    policies: dict[str, Policy] = {}
    for index, path in enumerate(paths):
        rows = _that_count(path, wanted.filter)
        if (first := next(rows, None)) is None:
            raise ConfigError(f"{path}: holds no sample; give a file with a row for each.")
        columns = columns_of(path, first[1], wanted.columns, several=label is None)
        seen: dict[tuple[str, str, int | str], int] = {}
        for number, raw in chain([first], rows):
            row = _Row(path, number, columns, columns.format.plain(raw))
            name = row.cell("policy", problem_name) if label is None else label
            problem = row.cell("problem", problem_name)
            policy = policies.setdefault(name, Policy(name))
            policy.files[path] = columns
            for called, sample in row.samples(index, wanted.threshold):
                if called is not None and (name, problem, called) in seen:
                    raise ConfigError(
                        f"{path}, row {number}: is sample {called} of problem {problem} again, after row "
                        f"{seen[name, problem, called]}; leave one out, or number them apart."
                    )
                if called is not None:
                    seen[name, problem, called] = number
                policy.samples[problem].append(sample)
    return list(policies.values())


def _that_count(path: Path, wanted: str | None) -> Iterator[tuple[int, Row]]:
    """The rows that count: all, or those of one filter where lm-evaluation-harness applied several filters."""
    filters: dict[str, None] = {}
    for number, row in rows_of(path):
        if HARNESS.marks <= row.keys():
            filters[str(row.get("filter"))] = None
            if wanted is None and len(filters) > 1:
                first, second = filters
                raise ConfigError(
                    f"{path}, row {number}: is of filter {second}, and rows before it are of {first}; choose one with "
                    "filter=NAME."
                )
            if wanted is not None and row.get("filter") != wanted:
                continue
        yield number, row
    if wanted is not None and wanted not in filters:
        has = f"has {', '.join(filters)}; choose one of these" if filters else "has no filters; leave filter= out"
        raise ConfigError(f"filter={wanted}: {path} {has}.")


@dataclass(frozen=True)
class _Row:
    """A row whose columns are known. Where its `correct` is a list, it holds one sample for each item."""

    path: Path
    number: int
    columns: Columns
    row: Row

    def cell(self, what: str, read: Callable[[Any], T]) -> T:
        """The value of a column that every row must have."""
        return self._read(what, self.columns.cell(self.row, what), read)

    def samples(self, file: int, threshold: float | None) -> Iterator[tuple[int | str | None, Sample]]:
        """The samples of the row, each with its number among those of its problem, or None without such a column."""
        count = self._count()
        listed = {what: self._listed(what, count) for what in ("sample", "correct", "text", "tokens", "logp")}
        prompt = self._optional("prompt", self.columns.cell(self.row, "prompt"), plain_text)
        for place in range(count or 1):
            called = None
            if "sample" in self.columns.of:
                called = self._read("sample", listed["sample"][place], sample_number)
            yield (
                called,
                Sample(
                    right=self._read("correct", listed["correct"][place], lambda value: is_right(value, threshold)),
                    prompt=prompt,
                    text=self._optional("text", listed["text"][place], plain_text),
                    tokens=self._optional("tokens", listed["tokens"][place], token_count),
                    logp=self._optional("logp", listed["logp"][place], log_probability),
                    order=(file, called if isinstance(called, int) else 0, self.number, place),
                ),
            )

    def _count(self) -> int | None:
        """The number of samples where the row holds a list of them, else None."""
        verdicts = self.columns.cell(self.row, "correct")
        return len(verdicts) if isinstance(verdicts, list) else None

    def _listed(self, what: str, count: int | None) -> list[Any]:
        """The values of a column, one for each sample of the row."""
        value = self.columns.cell(self.row, what)
        verdicts = self.columns.of["correct"]
        if count is None and what == "text" and isinstance(value, list) and all(isinstance(one, str) for one in value):
            if len(value) != 1:
                error = UnfitError(f"holds {len(value)} answers and {verdicts} one verdict; every sample needs its own")
                raise self._refusal(what, error)
            return value
        if count is None or value is None:
            return [value] * (count or 1)
        if not isinstance(value, list) or len(value) != count or not count:
            raise self._refusal(what, UnfitError(f"must be a list of as many as {verdicts} has, {count}"))
        return value

    def _optional(self, what: str, value: Any, read: Callable[[Any], T]) -> T | None:
        return None if value is None else self._read(what, value, read)

    def _read(self, what: str, value: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(value)
        except UnfitError as error:
            raise self._refusal(what, error) from error

    def _refusal(self, what: str, error: UnfitError) -> ConfigError:
        return ConfigError(f"{self.path}, row {self.number}: {self.columns.of[what]} {error}.")
