"""Finds out what the columns of a file hold, from the known formats of programs and from common column names."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import ConfigError
from rlvr.report.outside.files import Row

NEEDED = ("problem", "correct")
# For each thing that a column may hold, the names that such columns often have, the most certain first.
KNOWN: Mapping[str, Sequence[str]] = {
    "problem": ("problem", "problem_id", "question_id", "task_id", "doc_id", "question", "prompt", "input"),
    "sample": ("sample", "sample_id", "sample_index", "sample_idx"),
    "correct": ("correct", "is_correct", "right", "status", "acc", "score", "reward"),
    "prompt": ("prompt", "question", "input"),
    "text": ("text", "completion", "response", "output", "generation"),
    "tokens": ("tokens", "num_tokens", "completion_tokens"),
    "logp": ("logp", "logprob", "logprobs", "cumulative_logprob"),
    "policy": ("policy", "model"),
}


@dataclass(frozen=True)
class Format:
    """The format in which a program writes its samples.

    Attributes:
        name: Name of the program.
        marks: Columns by which files of this program are recognized.
        plain: Turns a row of such a file into a row of plain columns, without nesting.
        names: For each thing that a column may hold, the names that it may have, the most certain first.
        metrics: Gives the names of a plain row's metrics, one of which says right or wrong. None where `names` has
            the column for that.
    """

    name: str
    marks: frozenset[str]
    plain: Callable[[Row], Row]
    names: Mapping[str, Sequence[str]]
    metrics: Callable[[Row], Sequence[str]] | None = None


def _same(row: Row) -> Row:
    return row


def _harness(row: Row) -> Row:
    """A plain row. The harness writes one row for each document and filter.

    `resps` has a list of answers for each request, and a task with generated answers makes one request.
    """
    asked, answers = row.get("arguments"), row.get("resps")
    first = asked.get("gen_args_0") if isinstance(asked, dict) else None
    number, digest = row.get("doc_id"), row.get("doc_hash")
    return {
        **row,
        # The hash makes names differ where documents of two data sets have the same number.
        "doc_id": number if number is None or not digest else f"{number} {str(digest)[:8]}",
        "arguments": first.get("arg_0") if isinstance(first, dict) else None,
        "resps": answers[0] if isinstance(answers, list) and answers and isinstance(answers[0], list) else answers,
    }


def _harness_metrics(row: Row) -> Sequence[str]:
    """The names of a row's metrics. Older versions do not list them: every column but `HARNESS_OWN` counts."""
    listed = row.get("metrics")
    return listed if isinstance(listed, list) else [name for name in row if name not in HARNESS_OWN]


HARNESS_OWN = frozenset(
    (
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "doc_hash",
        "prompt_hash",
        "target_hash",
    )
)
HARNESS = Format(
    "lm-evaluation-harness",
    frozenset(("doc_id", "resps", "filtered_resps")),
    _harness,
    {"problem": ("doc_id",), "prompt": ("arguments",), "text": ("resps",)},
    _harness_metrics,
)


def _lighteval(row: Row) -> Row:
    """A plain row. lighteval writes one row for each document, with three groups of columns."""
    groups = (row.get(name) for name in ("doc", "model_response", "metric"))
    doc, response, metric = (group if isinstance(group, dict) else {} for group in groups)
    tokens = response.get("output_tokens")
    return {
        **metric,
        "doc.id": doc.get("id"),
        "doc.query": doc.get("query"),
        "model_response.text": response.get("text"),
        "model_response.output_tokens": tokens[0] if isinstance(tokens, list) and tokens else None,
        "metric": list(metric),
    }


FORMATS = (
    HARNESS,
    Format(
        "lighteval",
        frozenset(("doc", "model_response", "metric")),
        _lighteval,
        {
            "problem": ("doc.id",),
            "prompt": ("doc.query",),
            "text": ("model_response.text",),
            "tokens": ("model_response.output_tokens",),
        },
        lambda row: list(row["metric"]),
    ),
    Format(
        "verl",
        frozenset(("input", "output", "score", "step")),
        _same,
        # Where a file has both, verl itself uses acc for the accuracy: score may be a reward of 1 or -1.
        {"problem": ("input",), "prompt": ("input",), "text": ("output",), "correct": ("acc", "score")},
    ),
)
PLAIN = Format("plain columns", frozenset(), _same, KNOWN)


def format_of(row: Row) -> Format:
    """The known format whose columns this row has, else `PLAIN`."""
    return next((each for each in FORMATS if each.marks <= row.keys()), PLAIN)


@dataclass(frozen=True)
class Columns:
    """Which column of a file holds which thing. Things for which the file has no column are not in `of`."""

    format: Format
    of: Mapping[str, str]

    def cell(self, row: Row, what: str) -> Any:
        """The value that a plain row has for this thing; None where it has none."""
        return row.get(self.of[what]) if what in self.of else None


def columns_of(path: Path, row: Row, given: Mapping[str, str | None], several: bool) -> Columns:
    """Find the columns of a file from its first row.

    Args:
        path: The file.
        row: The first row, as it is in the file.
        given: For each thing that a column may hold, the name that the user has given, or None.
        several: Whether the file holds several policies.

    Raises:
        ConfigError: When a column that is needed or given is missing, or several metrics may say right or wrong.
    """
    form = format_of(row)
    plain = form.plain(row)
    found: dict[str, str] = {}
    for what in KNOWN:
        if (name := given.get(what)) is not None:
            if name not in plain:
                raise ConfigError(f"columns.{what}={name}: {path} has no such column{_hint(name, plain)}")
            found[what] = name
        elif names := [name for name in form.names.get(what, ()) if name in plain]:
            found[what] = names[0]
    if form.metrics is not None and "correct" not in found:
        found["correct"] = _only(path, form.metrics(plain))
    for what in (*NEEDED, *["policy"] * several):
        if what not in found:
            raise ConfigError(
                f"{path}: has no column for {MEANING[what]} among {', '.join(plain)}; name it with columns.{what}=NAME."
            )
    return Columns(form, found)


MEANING = {"problem": "the problem", "correct": "right or wrong", "policy": "the policy"}


def _only(path: Path, metrics: Sequence[str]) -> str:
    """The only metric. Raises a ConfigError when there are several, or none."""
    if len(metrics) != 1:
        said = ", ".join(map(str, metrics)) or "none"
        raise ConfigError(
            f"{path}: its metrics are {said}; name the one that says right or wrong, columns.correct=NAME."
        )
    return str(metrics[0])


def _hint(name: str, columns: Row) -> str:
    near = difflib.get_close_matches(name, list(columns), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; it has {', '.join(columns)}."
