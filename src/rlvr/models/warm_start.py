"""A tiny base policy, made on the spot: supervised learning on random right answers, stopped early on purpose.

It explores widely (low Pass@1, Pass@256 near 100 %), as base models do; a longer warm start would sharpen it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from rlvr.data import ProblemSource
from rlvr.errors import ConfigError
from rlvr.models.made import Demonstrator, MadePolicy, Pairs, demonstrator


@dataclass(frozen=True)
class WarmStartedPolicy(MadePolicy):
    """A policy from scratch; its learning rate falls from the peak linearly to 5 %.

    Attributes:
        architecture: Hugging Face model type, for example `qwen2`.
        size: Arguments of that architecture's config.
        betas: AdamW's.
    """

    architecture: str
    size: dict[str, Any]
    betas: Sequence[float]

    kind: ClassVar[str] = "base"
    title: ClassVar[str] = "Warm start of the base"
    recipe: ClassVar[int] = 2

    def config(self, source: ProblemSource | Demonstrator) -> PretrainedConfig:
        """Of the policy that is made, with the task's own vocabulary.

        Raises:
            ConfigError: When that vocabulary lacks what the prompts hold.
        """
        shows = demonstrator(source)
        tokenizer = shows.tokenizer()
        eos = tokenizer.eos_token_id
        ((prompt, _),) = shows.demonstrations(np.random.default_rng(0), 1)
        if eos in tokenizer(prompt)["input_ids"]:
            raise ConfigError(
                f"model: a policy from scratch knows the task's own characters alone, and {prompt!r} holds others: "
                "choose a pre-trained model, such as model=taught, or data=countdown."
            )
        tokens = {"vocab_size": len(tokenizer), "eos_token_id": eos, "pad_token_id": eos, "bos_token_id": None}
        return AutoConfig.for_model(self.architecture, **tokens, **self.size)

    def before(self, source: Demonstrator, seed: int, cache_dir: Path) -> tuple[PreTrainedModel, Any]:
        """Random weights, and the task's tokenizer."""
        return AutoModelForCausalLM.from_config(self.config(source)), source.tokenizer()

    def loss(self, policy: PreTrainedModel, tokenizer: Any, pairs: Pairs) -> Tensor:
        """Of answers that are equally long, after prompts that are so, too."""
        answers_BT = torch.tensor(tokenizer([answer + tokenizer.eos_token for _, answer in pairs])["input_ids"])
        prompts_BS = torch.tensor(tokenizer([prompt for prompt, _ in pairs])["input_ids"])
        width = answers_BT.shape[1]
        logits_BTV = policy(torch.cat([prompts_BS, answers_BT], dim=1), logits_to_keep=width + 1).logits[:, :-1]
        return torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), answers_BT.flatten())

    def decay(self, step: int) -> float:
        """Linear over the steps after the warm-up, to 5 %."""
        done = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        return 1.0 - 0.95 * done

    @property
    def momenta(self) -> tuple[float, float]:
        """`betas`."""
        return self.betas[0], self.betas[1]
