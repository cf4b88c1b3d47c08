"""Problem sets written in words: read, cleaned, kept apart from each other, put into a prompt template."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlvr.data.cleaning import Sieve, has_content, problem_id, sift
from rlvr.data.contamination import contaminated
from rlvr.data.reading import Table, TextSet, read
from rlvr.data.report import announce
from rlvr.data.source import Readable, Splits, TextSource
from rlvr.data.template import Template
from rlvr.errors import ConfigError
from rlvr.types import Problem


@dataclass(frozen=True)
class Suite(TextSource):
    """One set for evaluation alone.

    Attributes:
        questions: The set.
        template: How a problem becomes a prompt.
        max_prompt_tokens: Problems with a longer prompt are left out.
        on_bad: `drop` rows that can't be used, or `refuse` a set that has any.
        key: Where the set stands in the config, for error messages.
    """

    questions: TextSet
    template: Template
    max_prompt_tokens: int
    on_bad: str = "drop"
    key: str = "eval.suite"

    def prepare(self) -> None:
        """Read the set.

        Raises:
            ConfigError: When it can't be read.
        """
        one_of(f"{self.key}.on_bad", self.on_bad, ("drop", "refuse"))
        _ = self._table

    @cached_property
    def _table(self) -> Table:
        return read(self.questions, self.key)

    def problems(self, tokenizer: Any) -> list[Problem]:
        """The problems alone."""
        return self.splits(tokenizer).heldout

    def splits(self, tokenizer: Any, readable: Readable = has_content) -> Splits:
        """The problems as held-out ones, with no training side; says in one line what was left out.

        Args:
            tokenizer: The policy's.
            readable: Says which answers the verifier can read.

        Raises:
            ConfigError: When the set can't be read, or nothing of it is left.
        """
        self.prepare()
        sieve = sift("heldout", self.key, self._table, readable)
        problems = render(sieve, self.template, tokenizer, self.max_prompt_tokens)
        sieve.check(self.on_bad)
        chosen = choose(sieve, problems, self.questions.limit)
        readings = (sieve.reading(len(chosen)),)
        announce(readings)
        return Splits(train=[], heldout=chosen, readings=readings)


@dataclass(frozen=True)
class TextProblems(TextSource):
    """Problems with reference answers, apart from those that a run should not see.

    Attributes:
        train: The pool that RL draws from.
        heldout: Problems for evaluation.
        template: How a problem becomes a prompt.
        max_prompt_tokens: Problems with a longer prompt are left out.
        on_bad: `drop` rows that can't be used, or `refuse` a set that has any.
        contamination: `remove` training problems that also stand in another set, or only `report` them.
        keep_apart: Further sets, by any name, that training must not see: those the policy will be evaluated on later.
    """

    train: TextSet
    heldout: TextSet
    template: Template
    max_prompt_tokens: int
    on_bad: str = "drop"
    contamination: str = "remove"
    keep_apart: Mapping[str, TextSet] = field(default_factory=dict)

    def prepare(self) -> None:
        """Read all sets.

        Raises:
            ConfigError: When one can't be read.
        """
        one_of("data.on_bad", self.on_bad, ("drop", "refuse"))
        one_of("data.contamination", self.contamination, ("remove", "report"))
        if taken := {"train", "heldout"} & set(self.keep_apart):
            raise ConfigError(f"data.keep_apart.{min(taken)}: that name has the set of the run; choose another.")
        _ = self._tables, self._apart

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return {"train": read(self.train, "data.train"), "heldout": read(self.heldout, "data.heldout")}

    @cached_property
    def _apart(self) -> dict[str, Table]:
        return {name: read(part, f"data.keep_apart.{name}") for name, part in self.keep_apart.items()}

    def splits(self, tokenizer: Any, readable: Readable = has_content) -> Splits:
        """Read, clean, render and separate all sets; says in one line what was left out.

        Args:
            tokenizer: The policy's.
            readable: Says which answers the verifier can read.

        Raises:
            ConfigError: When a set can't be read, or nothing of it is left.
        """
        self.prepare()
        sieves = {role: sift(role, f"data.{role}", table, readable) for role, table in self._tables.items()}
        problems = {
            role: render(sieve, self.template, tokenizer, self.max_prompt_tokens) for role, sieve in sieves.items()
        }
        for sieve in sieves.values():
            sieve.check(self.on_bad)
        references = {"heldout": self._tables["heldout"], **self._apart}
        separate(sieves["train"], references, drop=self.contamination == "remove")
        train = choose(sieves["train"], problems["train"], self.train.limit)
        heldout = choose(sieves["heldout"], problems["heldout"], self.heldout.limit)
        readings = (sieves["train"].reading(len(train)), sieves["heldout"].reading(len(heldout)))
        announce(readings)
        unused = (Sieve(name, f"data.keep_apart.{name}", table).reading(0) for name, table in self._apart.items())
        return Splits(train, heldout, (*readings, *unused))


def render(sieve: Sieve, template: Template, tokenizer: Any, max_prompt_tokens: int) -> dict[int, Problem]:
    """The problems of the rows still in, by row; those with too long a prompt are taken out.

    Raises:
        ConfigError: When the tokenizer can't render the template.
    """
    template.check(tokenizer)
    prompts = [template.render(problem, tokenizer) for problem, _ in sieve.left.values()]
    tokenized = template.tokenize(prompts, tokenizer)
    problems = {
        row: Problem(problem_id(problem), prompt, ids, answer)
        for (row, (problem, answer)), prompt, ids in zip(sieve.left.items(), prompts, tokenized, strict=True)
    }
    lengths = {row: len(problem.prompt_ids) for row, problem in problems.items()}
    long = {row: f"{length} tokens" for row, length in lengths.items() if length > max_prompt_tokens}
    sieve.note("over-long prompt", long)
    return problems


def separate(train: Sieve, references: Mapping[str, Table], drop: bool) -> None:
    """Find training problems that stand in another set, even in a row of it that isn't used.

    Args:
        train: The training set.
        references: The other sets by name.
        drop: Take what is found out of training.
    """
    places = [(name, row) for name, table in references.items() for row in range(len(table.rows))]
    rows = list(train.left)
    copies = contaminated([train.left[row][0] for row in rows], [references[name].rows[row][0] for name, row in places])
    details = {}
    for index, match in copies.items():
        name, row = places[match.evaluation]
        details[rows[index]] = f"{match.share:.0%} of {name} row {row}"
    train.note("contaminated", details, drop)


def choose(sieve: Sieve, problems: Mapping[int, Problem], limit: int | None) -> list[Problem]:
    """The problems of the rows still in, up to a limit.

    Raises:
        ConfigError: When there are none.
    """
    if not sieve.left:
        raise ConfigError(
            f"{sieve.key}.path={sieve.table.path}: no problem of it can be used ({sieve.reading(0).about})."
        )
    return [problems[row] for row in sieve.left][:limit]


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not allowed.

    Raises:
        ConfigError: With the allowed values.
    """
    if value not in allowed:
        raise ConfigError(f"{key}={value}: unknown; choose one of {', '.join(allowed)}.")
