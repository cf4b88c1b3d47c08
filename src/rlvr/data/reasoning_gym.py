"""Tasks of the package reasoning_gym: made by a program, graded by the task's own scorer."""

import difflib
import hashlib
import importlib.metadata
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rlvr.data.cleaning import Sieve, problem_id
from rlvr.data.reading import Row, Table
from rlvr.data.report import announce
from rlvr.data.source import Readable, Splits, TextSource, every
from rlvr.data.template import Template
from rlvr.data.text import choose, render
from rlvr.errors import ConfigError, cause_of
from rlvr.files import make_folder

DRAWS = 8  # for each problem wanted, before a task is taken to have no more


@dataclass(frozen=True)
class ReasoningGym(TextSource):
    """Problems of one task; an answer is JSON of the task's name and the entry that its scorer reads.

    They are made once and kept in a file: some tasks' problems depend on Python's hash seed or on code that they run,
    so two ranks, or two runs, would otherwise not have the same ones.

    Attributes:
        task: Its name in reasoning_gym.
        settings: The task's own options, beyond its defaults.
        train_size: Problems in the pool that RL draws from.
        heldout_size: Problems kept for evaluation; none of them is in the pool.
        seed: Seed of the problems, apart from the run's seed, so that runs are compared on the same problems.
        template: How a problem becomes a prompt.
        max_prompt_tokens: Problems with a longer prompt are left out; there are then fewer than the sizes say.
        cache_dir: Where the file goes.
    """

    task: str
    settings: Mapping[str, Any]
    train_size: int
    heldout_size: int
    seed: int
    template: Template
    max_prompt_tokens: int
    cache_dir: str

    def prepare(self) -> None:
        """Make the problems, unless they have been made before.

        Raises:
            ConfigError: When there is no such task, it doesn't take the settings, or has too few problems.
        """
        _ = self._tables

    def splits(self, tokenizer: Any, readable: Readable = every) -> Splits:
        """The problems, prompts rendered and tokenised."""
        sieves = {role: Sieve(role, f"data.{role}", table) for role, table in self._tables.items()}
        chosen = {
            role: choose(sieve, render(sieve, self.template, tokenizer, self.max_prompt_tokens), limit=None)
            for role, sieve in sieves.items()
        }
        readings = tuple(sieve.reading(len(chosen[role])) for role, sieve in sieves.items())
        announce(readings)
        return Splits(chosen["train"], chosen["heldout"], readings)

    @cached_property
    def _tables(self) -> dict[str, Table]:
        self._generator("heldout", 1)  # refuses a task or settings that are wrong, even where a file is there
        version = importlib.metadata.version("reasoning-gym")
        made_from = (self.task, self.settings, self.train_size, self.heldout_size, self.seed, version)
        key = hashlib.sha256(json.dumps(made_from, default=str).encode()).hexdigest()[:12]
        folder = Path(self.cache_dir) / "reasoning_gym" / f"{self.task}-{key}"
        make_folder(folder, self._make)
        return {
            role: Table(f"reasoning_gym {self.task}", role, version, [(question, answer) for question, answer in rows])
            for role, rows in json.loads((folder / "problems.json").read_text()).items()
        }

    def _make(self, folder: Path) -> None:
        """Distinct problems, none both trained on and held out."""
        heldout = self._draw("heldout", self.heldout_size, ())
        train = self._draw("train", self.train_size, {problem_id(question) for question, _ in heldout})
        (folder / "problems.json").write_text(json.dumps({"train": train, "heldout": heldout}))

    def _draw(self, role: str, size: int, apart: Collection[str]) -> list[Row]:
        """So many (question, answer) pairs; draws that can't be used are followed by others."""
        generator = self._generator(role, DRAWS * size)
        found: dict[str, Row] = {}
        unused: Counter[str] = Counter()
        for draw in range(DRAWS * size):
            try:
                entry = generator[draw]
            except Exception as error:  # whatever a task's program does with settings that its checks let through
                raise self._refusal(error) from error
            name = problem_id(entry["question"])
            answer = json.dumps({"task": self.task, "entry": entry}, default=str)
            if name in found or name in apart:
                unused["drawn before"] += 1
            elif not self._gradable(answer):
                unused["with an answer that its own scorer refuses"] += 1
            else:
                found[name] = (entry["question"], answer)
            if len(found) == size:
                return list(found.values())
        counts = ", ".join(f"{count} {why}" for why, count in unused.items())
        raise ConfigError(
            f"data.{role}_size={size}: {self.task} gave only {len(found)} problems in {DRAWS * size} draws ({counts}); "
            "lower it, or vary the task more with data.settings."
        )

    def _gradable(self, answer: str) -> bool:
        """Whether the verifier will find the task's own answer, where it has one, right: it has the JSON alone."""
        entry = json.loads(answer)["entry"]
        return entry["answer"] is None or self._scorer(entry["answer"], entry) >= 1

    @cached_property
    def _scorer(self) -> Callable[[str, dict[str, Any]], float]:
        from reasoning_gym.factory import get_score_answer_fn

        scorer: Callable[[str, dict[str, Any]], float] = get_score_answer_fn(self.task)
        return scorer

    def _refusal(self, error: Exception) -> ConfigError:
        settings = dict(self.settings)
        return ConfigError(f"data.settings={settings}: {self.task} can't make problems with them; {cause_of(error)}.")

    def _generator(self, role: str, size: int) -> Any:
        """The task, with problems of its own for each role.

        Its problem number i has the seed `seed + i`: near seeds would give the roles the same problems.
        """
        try:
            from reasoning_gym.factory import DATASETS, create_dataset  # slow to import, and optional
        except ImportError:
            raise ConfigError("data=reasoning_gym: the package is missing; pip install 'rlvr[math]'.") from None
        if self.task not in DATASETS:
            near = difflib.get_close_matches(self.task, DATASETS, n=3, cutoff=0.4)
            hint = f"; near it are {', '.join(near)}" if near else ""
            raise ConfigError(f"data.task={self.task}: reasoning_gym has no such task among its {len(DATASETS)}{hint}.")
        seed = random.Random(f"{self.seed}/{role}").randrange(2**31)
        try:
            return create_dataset(self.task, size=size, seed=seed, **self.settings)
        except (TypeError, ValueError, AssertionError) as error:
            raise self._refusal(error) from error
