"""A pre-trained model after supervised steps on right answers, so that RL begins where it solves some problems."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from rlvr.data import ProblemSource
from rlvr.models.made import Demonstrator, MadePolicy, Pairs
from rlvr.models.pretrained import PolicySource


@dataclass(frozen=True)
class TaughtPolicy(MadePolicy):
    """Any causal language model, taught; its learning rate falls to 0 over the second half of the steps.

    Weights and AdamW's moments are fp32, products bf16: 16 bytes a parameter, on one GPU where there are some.

    Attributes:
        base: The model before.
    """

    base: PolicySource

    kind: ClassVar[str] = "taught"
    title: ClassVar[str] = "Teaching the base"
    recipe: ClassVar[int] = 2

    def config(self, source: ProblemSource) -> PretrainedConfig:
        """The base's."""
        return self.base.config(source)

    def before(self, source: Demonstrator, seed: int, cache_dir: Path) -> tuple[PreTrainedModel, Any]:
        """The base, and its tokenizer."""
        policy, tokenizer = self.base.load(source, seed, cache_dir, torch.float32)  # type: ignore[arg-type]
        return policy.to(_device()).train(), tokenizer  # type: ignore[arg-type]

    def loss(self, policy: PreTrainedModel, tokenizer: Any, pairs: Pairs) -> Tensor:
        """See `imitation_loss`."""
        with torch.autocast(policy.device.type, torch.bfloat16):
            return imitation_loss(policy, tokenizer, pairs)

    def decay(self, step: int) -> float:
        """Linear over the second half, to 0."""
        return min(1.0, 2 * (self.steps - step) / self.steps)


def _device() -> torch.device:
    """This rank's GPU where there is one: before Lightning has started, each rank's current device is the first."""
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if torch.cuda.is_available() else torch.device("cpu")
    )


def imitation_loss(policy: PreTrainedModel, tokenizer: Any, pairs: Pairs) -> Tensor:
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
