"""A pre-trained model after supervised steps on right answers, so that RL begins where it solves some problems."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from rlvr.console import bar
from rlvr.data import ProblemSource
from rlvr.files import make_folder
from rlvr.models.pretrained import PolicySource
from rlvr.models.streamed import Checkpoint
from rlvr.models.warm_start import Demonstrator, demonstrator

RECIPE = 1  # part of the cache key: raise it when the code below makes another policy from the same settings


@dataclass(frozen=True)
class TaughtPolicy:
    """Any causal language model, taught on demonstrations and cached by a hash of all that makes it.

    Weights and AdamW's moments are fp32, products bf16. On a GPU where there is one.

    Attributes:
        base: The model before.
        steps: Optimizer steps.
        batch_size: Fresh demonstrations a step.
        lr: Peak learning rate, after `warmup_steps` linear steps; it falls to 0 over the second half.
        warmup_steps: See `lr`.
        clip: Largest gradient norm.
        operator_shares: Chances of `+`, `-`, `*` in the demonstrations; rare ones are what RL then loses.
    """

    base: PolicySource
    steps: int
    batch_size: int
    lr: float
    warmup_steps: int
    clip: float
    operator_shares: Sequence[float]

    def config(self, source: ProblemSource) -> PretrainedConfig:
        """The base's."""
        return self.base.config(source)

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """The cached policy, taught first where the cache has none.

        Raises:
            ConfigError: When the data set has no demonstrations.
        """
        shows = demonstrator(source)
        before = self.base.checkpoint(source, seed, cache_dir)
        folder = cache_dir / f"taught-{self._key(shows, before, seed)}"
        if not folder.exists():
            self._make(shows, before, seed, folder)
        return Checkpoint(str(folder))

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """The policy and its base's tokenizer."""
        return self.checkpoint(source, seed, cache_dir).load(dtype)

    def _key(self, source: Demonstrator, before: Checkpoint, seed: int) -> str:
        # A few demonstrations stand for the task in the key: pool sizes change the source, but not what is taught.
        taste = source.demonstrations(np.random.default_rng(0), 64, self._shares)
        numbers = [self.steps, self.batch_size, self.lr, self.warmup_steps, self.clip, self._shares]
        recipe = [RECIPE, Path(before.name).name, before.revision, numbers, taste, seed]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]

    def _make(self, source: Demonstrator, before: Checkpoint, seed: int, folder: Path) -> None:
        torch.manual_seed(seed)
        policy, tokenizer = before.load(torch.float32)
        policy.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]
        self._teach(policy.train(), tokenizer, source, np.random.default_rng(seed))

        def save(aside: Path) -> None:
            policy.save_pretrained(aside)
            tokenizer.save_pretrained(aside)

        make_folder(folder, save)

    def _teach(self, policy: PreTrainedModel, tokenizer: Any, source: Demonstrator, rng: np.random.Generator) -> None:
        optimizer = torch.optim.AdamW(policy.parameters(), lr=self.lr, weight_decay=0.0, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._lr_factor)
        with bar("Teaching the base", self.steps) as progress:
            for _ in range(self.steps):
                pairs = source.demonstrations(rng, self.batch_size, self._shares)
                with torch.autocast(policy.device.type, torch.bfloat16):
                    loss = imitation_loss(policy, tokenizer, pairs)
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
        return min(1.0, 2 * (self.steps - step) / self.steps)


def imitation_loss(policy: PreTrainedModel, tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> Tensor:
    """Mean negative log-likelihood of the answers' tokens, end of sequence included, nats.

    Prompt and answer are tokenised apart, as a prompt and its completion are in RL. The head is applied to the answers
    alone.

    Args:
        policy: A causal language model.
        tokenizer: Its tokenizer.
        pairs: Prompts, each with a right answer.
    """
    prompts, answers = (tokenizer(list(texts))["input_ids"] for texts in zip(*pairs, strict=True))
    wholes = [prompt + answer + [tokenizer.eos_token_id] for prompt, answer in zip(prompts, answers, strict=True)]
    width = max(map(len, wholes))
    token_BT = torch.zeros(len(wholes), width, dtype=torch.long)
    present_BT = torch.zeros_like(token_BT)
    answer_BT = torch.zeros_like(token_BT, dtype=torch.bool)
    for row, (prompt, whole) in enumerate(zip(prompts, wholes, strict=True)):
        token_BT[row, : len(whole)] = torch.tensor(whole)
        present_BT[row, : len(whole)] = 1
        answer_BT[row, len(prompt) : len(whole)] = True
    token_BT, present_BT, answer_BT = (tensor.to(policy.device) for tensor in (token_BT, present_BT, answer_BT))
    hidden_BTD = policy.base_model(token_BT, attention_mask=present_BT, use_cache=False).last_hidden_state
    logits_NV = policy.get_output_embeddings()(hidden_BTD[:, :-1][answer_BT[:, 1:]])
    return torch.nn.functional.cross_entropy(logits_NV.float(), token_BT[answer_BT])
