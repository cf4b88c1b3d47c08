"""Problem sets written in words: read with the `datasets` library, put into a prompt template, cleaned."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rlvr.console import console
from rlvr.data.source import Splits
from rlvr.errors import ConfigError
from rlvr.types import Problem

READERS = {".parquet": "parquet", ".jsonl": "json", ".csv": "csv"}
# Llama's template writes the date into the prompt: today's, unless it is given one. This one is its own fallback.
TEMPLATE_DATE = "26 Jul 2024"


@dataclass(frozen=True)
class TextSet:
    """Where problems and answers stand.

    Attributes:
        path: Hub name, or a local .parquet, .jsonl or .csv file.
        name: Configuration of a hub data set, where it has several.
        split: Split, a slice such as `train[:100]` included; a file has only `train`, unsliced.
        revision: Commit, tag or branch of a hub name.
        problem_column: Column with the problem.
        answer_column: Column with the reference answer, in the form that the verifier reads.
        limit: Problems at most, the first ones after cleaning; null for all.
    """

    path: str
    name: str | None
    split: str
    revision: str | None
    problem_column: str
    answer_column: str
    limit: int | None


@dataclass(frozen=True)
class Template:
    r"""How a problem becomes a prompt.

    Attributes:
        instruction: What follows the problem on a line of its own, for example how to mark the final answer.
        system: System message; null leaves it to the tokenizer's chat template.
        chat: Through the tokenizer's chat template, as one user message; else plain text.
    """

    instruction: str
    system: str | None
    chat: bool

    def render(self, problem: str, tokenizer: Any) -> str:
        """The prompt, up to where the policy's answer starts."""
        request = _lines(problem, self.instruction)
        if not self.chat:
            return _lines(self.system, request)
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": request})
        prompt: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string=TEMPLATE_DATE
        )
        return prompt


@dataclass(frozen=True)
class TextProblems:
    """Problems with reference answers, apart from those that a run should not see.

    Attributes:
        train: The pool that RL draws from.
        heldout: Problems for evaluation; any of them that also stands in `train` is taken out there.
        template: How a problem becomes a prompt.
        max_prompt_tokens: Problems with a longer prompt are left out.
    """

    train: TextSet
    heldout: TextSet
    template: Template
    max_prompt_tokens: int

    @property
    def max_completion_tokens(self) -> None:
        """Not known for problems in words."""

    def guess_rate(self, problem: Problem) -> None:
        """Not known for problems in words."""

    def splits(self, tokenizer: Any) -> Splits:
        """Read, clean and render both sets; says in one line what was left out.

        Raises:
            ConfigError: When a set can't be read, or nothing of it is left.
        """
        if self.template.chat and not tokenizer.chat_template:
            raise ConfigError("data.template.chat=true: this model's tokenizer has no chat template; set it to false.")
        heldout, about_heldout = self._problems("heldout", tokenizer, exclude=())
        train, about_train = self._problems("train", tokenizer, exclude={problem.id for problem in heldout})
        console.print(f"Problems: {about_train}; {about_heldout}.")
        return Splits(train=train, heldout=heldout)

    def _problems(self, role: str, tokenizer: Any, exclude: Collection[str]) -> tuple[list[Problem], str]:
        """The problems of one set, and what to say of them."""
        part: TextSet = getattr(self, role)
        rows = read(part, f"data.{role}")
        filled = [(problem, answer) for problem, answer in rows if problem and answer]
        distinct: dict[str, tuple[str, str]] = {}
        for problem, answer in filled:
            distinct.setdefault(problem_id(problem), (problem, answer))
        fresh = {name: row for name, row in distinct.items() if name not in exclude}
        problems = self._render(fresh, tokenizer)
        counts = {
            "without problem or answer": len(rows) - len(filled),
            "repeated": len(filled) - len(distinct),
            "held out": len(distinct) - len(fresh),
            f"over {self.max_prompt_tokens} prompt tokens": len(fresh) - len(problems),
        }
        about = ", ".join([f"{len(rows)} rows", *(f"{count} {why}" for why, count in counts.items() if count)])
        if not problems:
            raise ConfigError(f"data.{role}.path={part.path}: no problem of it can be used ({about}).")
        problems = problems[: part.limit]
        return problems, f"{len(problems)} {role} ({about})"

    def _render(self, rows: dict[str, tuple[str, str]], tokenizer: Any) -> list[Problem]:
        """Problems with their prompts, those with too long a prompt left out."""
        if not rows:
            return []
        prompts = [self.template.render(problem, tokenizer) for problem, _ in rows.values()]
        # A chat template has the special tokens in its text already.
        prompt_ids = tokenizer(prompts, add_special_tokens=not self.template.chat)["input_ids"]
        return [
            Problem(name, prompt, tuple(ids), answer)
            for (name, (_, answer)), prompt, ids in zip(rows.items(), prompts, prompt_ids, strict=True)
            if len(ids) <= self.max_prompt_tokens
        ]


def problem_id(problem: str) -> str:
    """A name that depends on the problem's words only, not on its place, set or spacing."""
    return hashlib.sha256(" ".join(problem.split()).encode()).hexdigest()[:12]


def read(part: TextSet, key: str) -> list[tuple[str, str]]:
    """(problem, answer) of each row, stripped; what is missing is empty.

    Args:
        part: What to read.
        key: Where it stands in the config, for error messages.

    Raises:
        ConfigError: When it can't be read or has no such column.
    """
    file = Path(part.path)
    table = _file(part, file, key) if file.suffix in READERS else _hub(part, key)
    for setting in ("problem_column", "answer_column"):
        column = getattr(part, setting)
        if table and column not in table[0]:
            raise ConfigError(f"{key}.{setting}={column}: {part.path} has only the columns {', '.join(table[0])}.")
    return [(_text(row[part.problem_column]), _text(row[part.answer_column])) for row in table]


def _file(part: TextSet, file: Path, key: str) -> list[dict[str, Any]]:
    datasets = _library(key)
    if not file.is_file():
        raise ConfigError(f"{key}.path={part.path}: there is no such file; check the path.")
    reader = READERS[file.suffix]
    options: dict[str, Any] = {"data_files": {"train": str(file)}}
    if reader == "csv":  # guesses types, which would make 7 into 7.0 and lose the answer `None`
        options |= {"converters": {part.problem_column: str, part.answer_column: str}, "keep_default_na": False}
    try:
        # Streaming reads the file itself, where the default reads a copy that it keeps in a cache.
        return list(datasets.load_dataset(reader, split=part.split, streaming=True, **options))
    except ValueError as error:
        raise ConfigError(f"{key}.path={part.path}: can't be read; {_first_line(error)}") from error


def _hub(part: TextSet, key: str) -> list[dict[str, Any]]:
    datasets = _library(key)
    try:
        return list(datasets.load_dataset(part.path, part.name, split=part.split, revision=part.revision))
    except OSError as error:  # not reachable, not there, or not allowed
        raise ConfigError(
            f"{key}.path={part.path}: not in the cache and not to be had from the hub ({_first_line(error)}); download "
            "it beforehand where there is a network, or give a .parquet, .jsonl or .csv file."
        ) from error
    except ValueError as error:  # no such name or split
        raise ConfigError(f"{key}.path={part.path}: can't be read; {_first_line(error)}") from error


def _library(key: str) -> ModuleType:
    try:
        import datasets  # slow to import, and optional
    except ImportError:
        raise ConfigError(f'{key}: reading problem sets takes more packages; pip install -e ".[math]".') from None
    datasets.disable_progress_bars()
    return datasets


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _lines(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
