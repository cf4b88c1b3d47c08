"""A tiny base policy, made on the spot: supervised learning on random correct answers, stopped early on purpose.

It explores widely (low Pass@1, Pass@256 near 100 %), as base models do; a longer warm start would sharpen it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from rlvr.console import bar
from rlvr.data import ProblemSource
from rlvr.errors import ConfigError
from rlvr.files import make_folder
from rlvr.models.streamed import Checkpoint

# Part of the cache key: raise it when the code below makes another policy from the same settings.
RECIPE = 2


@runtime_checkable
class Demonstrator(Protocol):
    """A problem source that can also show random correct answers, in characters of its own."""

    def tokenizer(self) -> Any:
        """The task's own tokenizer."""

    def demonstrations(
        self, rng: np.random.Generator, count: int, operator_shares: tuple[float, float, float]
    ) -> list[tuple[str, str]]:
        """Random (prompt, correct answer) pairs."""


@dataclass(frozen=True)
class WarmStartedPolicy:
    """A policy from scratch, warm-started on demonstrations and cached by a hash of all that makes it.

    Attributes:
        architecture: Hugging Face model type, for example `qwen2`.
        size: Arguments of that architecture's config.
        steps: Optimizer steps.
        batch_size: Fresh demonstrations a step.
        lr: Peak learning rate, after `warmup_steps` linear steps; then linear decay to 5 %.
        betas: AdamW's.
        warmup_steps: See `lr`.
        clip: Largest gradient norm.
        operator_shares: Chances of `+`, `-`, `*` in the demonstrations; rare ones are what RL then loses.
    """

    architecture: str
    size: dict[str, Any]
    steps: int
    batch_size: int
    lr: float
    betas: Sequence[float]
    warmup_steps: int
    clip: float
    operator_shares: Sequence[float]

    def config(self, source: ProblemSource | Demonstrator) -> PretrainedConfig:
        """Of the policy that is made, with the task's own vocabulary.

        Raises:
            ConfigError: When that vocabulary lacks what the prompts hold.
        """
        shows = demonstrator(source)
        tokenizer = shows.tokenizer()
        eos = tokenizer.eos_token_id
        ((prompt, _),) = shows.demonstrations(np.random.default_rng(0), 1, self._shares)
        if eos in tokenizer(prompt)["input_ids"]:
            raise ConfigError(
                f"model: a policy from scratch knows the task's own characters alone, and {prompt!r} holds others: "
                "choose a pre-trained model, such as model=taught, or data=countdown."
            )
        tokens = {"vocab_size": len(tokenizer), "eos_token_id": eos, "pad_token_id": eos, "bos_token_id": None}
        return AutoConfig.for_model(self.architecture, **tokens, **self.size)

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """The cached policy, made first where the cache has none.

        Raises:
            ConfigError: When the data set has no demonstrations.
        """
        shows = demonstrator(source)
        folder = self.folder(shows, seed, cache_dir)
        if not folder.exists():
            self._make(shows, seed, folder)
        return Checkpoint(str(folder))

    def folder(self, source: ProblemSource | Demonstrator, seed: int, cache_dir: Path) -> Path:
        """Where it is, or will be once it has been made.

        Raises:
            ConfigError: When the data set has no demonstrations.
        """
        return cache_dir / f"base-{self._key(demonstrator(source), seed)}"

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """The policy and the task's tokenizer."""
        return self.checkpoint(source, seed, cache_dir).load(dtype)

    def _key(self, source: Demonstrator, seed: int) -> str:
        # A few demonstrations stand for the task in the key: pool sizes change the source, but not the base.
        taste = source.demonstrations(np.random.default_rng(0), 64, self._shares)
        recipe = {"recipe": RECIPE, "policy": asdict(self), "demonstrations": taste, "seed": seed}
        return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=list).encode()).hexdigest()[:12]

    def _make(self, source: Demonstrator, seed: int, folder: Path) -> None:
        tokenizer = source.tokenizer()
        torch.manual_seed(seed)
        policy = AutoModelForCausalLM.from_config(self.config(source))
        self._train(policy, tokenizer, source, np.random.default_rng(seed))

        def save(aside: Path) -> None:
            policy.save_pretrained(aside)
            tokenizer.save_pretrained(aside)

        make_folder(folder, save)

    def _train(self, policy: PreTrainedModel, tokenizer: Any, source: Demonstrator, rng: np.random.Generator) -> None:
        optimizer = torch.optim.AdamW(
            policy.parameters(), lr=self.lr, betas=(self.betas[0], self.betas[1]), weight_decay=0.0, fused=True
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._lr_factor)
        with bar("Warm start of the base", self.steps) as progress:
            for _ in range(self.steps):
                loss = _imitation_loss(policy, tokenizer, source.demonstrations(rng, self.batch_size, self._shares))
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), self.clip)
                optimizer.step()
                schedule.step()
                progress.advance(loss=loss.item())

    @property
    def _shares(self) -> tuple[float, float, float]:
        plus, minus, times = self.operator_shares
        return plus, minus, times

    def _lr_factor(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        return 1.0 - 0.95 * done


def demonstrator(source: ProblemSource | Demonstrator) -> Demonstrator:
    """The source itself, if it can show right answers.

    Raises:
        ConfigError: When it does not.
    """
    if not isinstance(source, Demonstrator):
        raise ConfigError(
            "model: a policy from scratch, or a taught one, needs a task that shows right answers, and "
            f"{type(source).__name__} does not: choose data=countdown or a pre-trained model."
        )
    return source


def _imitation_loss(policy: PreTrainedModel, tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
    """Mean negative log-likelihood of the answers' tokens, end of sequence included; answers are equally long."""
    answers_BT = torch.tensor(tokenizer([answer + tokenizer.eos_token for _, answer in pairs])["input_ids"])
    prompts_BS = torch.tensor(tokenizer([prompt for prompt, _ in pairs])["input_ids"])
    width = answers_BT.shape[1]
    logits_BTV = policy(torch.cat([prompts_BS, answers_BT], dim=1), logits_to_keep=width + 1).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), answers_BT.flatten())
