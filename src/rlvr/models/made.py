"""Policies that supervised learning on a task's right answers makes before RL, once, for all runs and ranks."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr.console import bar
from rlvr.data import ProblemSource
from rlvr.errors import ConfigError
from rlvr.files import make_folder
from rlvr.models.streamed import Checkpoint
from rlvr.models.underway import Underway

Pairs = Sequence[tuple[str, str]]
"""Prompts, each with a right answer."""


@runtime_checkable
class Demonstrator(Protocol):
    """A problem source that can also show random right answers."""

    def tokenizer(self) -> Any:
        """The task's own tokenizer."""

    def demonstrations(self, rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
        """Random (prompt, right answer) pairs."""


@dataclass(frozen=True)
class MadePolicy(ABC):
    """What both such policies have in common; each is cached by a hash of all that makes it.

    Attributes:
        steps: Optimizer steps.
        batch_size: Fresh demonstrations a step.
        lr: Peak learning rate, after `warmup_steps` linear steps.
        warmup_steps: See `lr`.
        clip: Largest gradient norm.
    """

    steps: int
    batch_size: int
    lr: float
    warmup_steps: int
    clip: float

    kind: ClassVar[str]  # first part of the folder's name
    title: ClassVar[str]  # of the progress bar
    recipe: ClassVar[int]  # part of the key: raise it when the code makes another policy from the same settings

    @abstractmethod
    def before(self, source: Demonstrator, seed: int, cache_dir: Path) -> tuple[PreTrainedModel, Any]:
        """The policy before the first step, and its tokenizer."""

    @abstractmethod
    def loss(self, policy: PreTrainedModel, tokenizer: Any, pairs: Pairs) -> Tensor:
        """Mean negative log-likelihood of the answers' tokens, end of sequence included, nats."""

    @abstractmethod
    def decay(self, step: int) -> float:
        """Factor of the learning rate at a step after the warm-up."""

    @property
    def momenta(self) -> tuple[float, float]:
        """AdamW's betas."""
        return 0.9, 0.999

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """The cached policy, made first where the cache has none: one process makes it, others wait for it.

        A kill loses some minutes of it at most: what was done stands in a hidden file beside the folder.

        Raises:
            ConfigError: When the data set shows no right answers.
        """
        folder = self.folder(source, seed, cache_dir)
        underway = folder.parent / f".{folder.name}.underway"
        make_folder(folder, lambda aside: self._make(demonstrator(source), seed, cache_dir, aside, underway))
        underway.unlink(missing_ok=True)
        return Checkpoint(str(folder))

    def folder(self, source: ProblemSource | Demonstrator, seed: int, cache_dir: Path) -> Path:
        """Where it is, or will be once it has been made.

        Raises:
            ConfigError: When the data set shows no right answers.
        """
        # A few demonstrations stand for the task in the key: pool sizes change the source, but not the policy.
        pairs = demonstrator(source).demonstrations(np.random.default_rng(0), 64)
        key = {"recipe": self.recipe, "policy": asdict(self), "demonstrations": pairs, "seed": seed}
        name = hashlib.sha256(json.dumps(key, sort_keys=True, default=list).encode()).hexdigest()[:12]
        return cache_dir / f"{self.kind}-{name}"

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """The policy and its tokenizer."""
        return self.checkpoint(source, seed, cache_dir).load(dtype)

    def lr_factor(self, step: int) -> float:
        """Of the peak learning rate at a step."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return self.decay(step)

    def _make(self, source: Demonstrator, seed: int, cache_dir: Path, folder: Path, underway: Path) -> None:
        torch.manual_seed(seed)
        policy, tokenizer = self.before(source, seed, cache_dir)
        self._train(policy, tokenizer, source, np.random.default_rng(seed), underway)
        policy.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if policy.device.type == "cuda":  # the run needs the memory; torch would keep it
            del policy
            torch.cuda.empty_cache()

    def _train(
        self, policy: PreTrainedModel, tokenizer: Any, source: Demonstrator, rng: np.random.Generator, file: Path
    ) -> None:
        optimizer = torch.optim.AdamW(policy.parameters(), lr=self.lr, betas=self.momenta, weight_decay=0.0, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.lr_factor)
        underway = Underway(file, policy, optimizer, schedule, rng)
        done = underway.resume()
        with bar(self.title, self.steps, done) as progress:
            for step in range(done, self.steps):
                loss = self.loss(policy, tokenizer, source.demonstrations(rng, self.batch_size))
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.clip)
                optimizer.step()
                schedule.step()
                progress.advance(loss=loss.item())
                underway.save_where_due(step + 1)


def demonstrator(source: ProblemSource | Demonstrator) -> Demonstrator:
    """The source, which shows right answers.

    Raises:
        ConfigError: When it does not.
    """
    if not isinstance(source, Demonstrator):
        raise ConfigError(
            "model: a policy from scratch, or a taught one, needs a task that shows right answers, and "
            f"{type(source).__name__} does not: choose data=countdown, data=n_queens or a pre-trained model."
        )
    return source
