"""From groups to padded micro-batches: what the LightningModule gets to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from rlvr.types import Problem, Rollout


@dataclass(frozen=True)
class Sample:
    """One rollout that carries gradient.

    Attributes:
        problem: Where the prompt comes from.
        rollout: The completion.
        advantage: Its advantage, masked and weighted.
        weight: Numerator weight of each of its tokens over the global denominator of the optimizer step.
    """

    problem: Problem
    rollout: Rollout
    advantage: float
    weight: float


class MicroBatch:
    """B sequences; prompts end and completions start in the same column.

    Not a dataclass on purpose: Lightning's precision plugins reach into those and cast what they find, and weights
    and log-probabilities must stay in fp32 whatever the policy computes in.

    Attributes:
        input_ids_BS: Prompt and completion tokens, S = prompt width + T.
        attention_BS: 1 for real tokens.
        mask_BT: 1 for completion tokens.
        engine_logp_BT: Log-probabilities under the engine that sampled.
        advantage_B: One advantage a sequence.
        weight_B: Weight of each token of a sequence in the loss; these sum to at most 1 over tokens and ranks.
        old_logp_BT: Log-probabilities before the first update on this rollout, or None while the policy is
            still the one that sampled (then the ratio is 1 exactly and no extra pass is needed).
        version: Policy version that sampled.
    """

    def __init__(
        self,
        input_ids_BS: Tensor,
        attention_BS: Tensor,
        mask_BT: Tensor,
        engine_logp_BT: Tensor,
        advantage_B: Tensor,
        weight_B: Tensor,
        old_logp_BT: Tensor | None,
        version: int,
    ) -> None:
        self.input_ids_BS = input_ids_BS
        self.attention_BS = attention_BS
        self.mask_BT = mask_BT
        self.engine_logp_BT = engine_logp_BT
        self.advantage_B = advantage_B
        self.weight_B = weight_B
        self.old_logp_BT = old_logp_BT
        self.version = version

    def with_old(self, old_logp_BT: Tensor) -> "MicroBatch":
        """The same batch with its old log-probabilities."""
        return MicroBatch(**{**vars(self), "old_logp_BT": old_logp_BT})

    def to(self, device: torch.device, non_blocking: bool = False) -> "MicroBatch":
        """The same batch on `device`; Lightning calls this."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return MicroBatch(**moved)


def split_evenly(samples: Sequence[Sample], parts: int) -> list[list[Sample]]:
    """Exactly `parts` lists of about equally many tokens, similar lengths together so that little is padding.

    Exactly, because the optimizer steps after a fixed number of micro-batches; some may be empty.
    """
    ordered = sorted(((_tokens(sample), sample) for sample in samples), key=itemgetter(0), reverse=True)
    total = max(sum(tokens for tokens, _ in ordered), 1)
    split: list[list[Sample]] = [[] for _ in range(parts)]
    seen = 0
    for tokens, sample in ordered:
        split[min(seen * parts // total, parts - 1)].append(sample)
        seen += tokens
    return split


def padded(samples: Sequence[Sample], pad_id: int, version: int) -> MicroBatch:
    """Left-padded prompts, right-padded completions. No samples: one short row of weight 0, inside the graph."""
    if not samples:
        ones = torch.ones(1, 2, dtype=torch.long)
        zero = torch.zeros(1)
        return MicroBatch(ones * pad_id, ones, ones[:, 1:], zero[:, None], zero, zero, None, version)
    prompts = [sample.problem.prompt_ids for sample in samples]
    completions = [sample.rollout.completion_ids for sample in samples]
    prompt_width, width = max(map(len, prompts)), max(map(len, completions))
    ids = [
        [pad_id] * (prompt_width - len(prompt)) + [*prompt, *completion] + [pad_id] * (width - len(completion))
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    logps = [[*sample.rollout.logps] + [0.0] * (width - len(sample.rollout.logps)) for sample in samples]
    start_B1 = torch.tensor([[prompt_width - len(prompt)] for prompt in prompts])
    length_B1 = torch.tensor([[len(completion)] for completion in completions])
    column_S = torch.arange(prompt_width + width)
    return MicroBatch(
        input_ids_BS=torch.tensor(ids),
        attention_BS=((column_S >= start_B1) & (column_S < prompt_width + length_B1)).long(),
        mask_BT=(torch.arange(width) < length_B1).long(),
        engine_logp_BT=torch.tensor(logps),
        advantage_B=torch.tensor([sample.advantage for sample in samples]),
        weight_B=torch.tensor([sample.weight for sample in samples]),
        old_logp_BT=None,
        version=version,
    )


def _tokens(sample: Sample) -> int:
    return len(sample.problem.prompt_ids) + len(sample.rollout.completion_ids)
