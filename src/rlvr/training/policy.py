"""Where the policy comes from: a Hugging Face folder or hub name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from rlvr.data import ProblemSource


class PolicySource(Protocol):
    """Makes or reads the base policy."""

    def load(self, source: ProblemSource, seed: int, cache_dir: Path) -> tuple[PreTrainedModel, Any]:
        """The model, weights in fp32 or as configured, and its tokenizer."""


@dataclass(frozen=True)
class PretrainedPolicy:
    """A causal language model in Hugging Face's format.

    Attributes:
        name: Hub name or folder.
        revision: Commit, tag or branch of a hub name.
        dtype: Data type of the weights, for example `bfloat16`.
    """

    name: str
    revision: str | None
    dtype: str

    def load(self, source: ProblemSource, seed: int, cache_dir: Path) -> tuple[PreTrainedModel, Any]:
        """Read the model and its tokenizer; the hub's own cache holds downloads."""
        dtype = getattr(torch, self.dtype)
        model = AutoModelForCausalLM.from_pretrained(self.name, revision=self.revision, dtype=dtype)
        return model, AutoTokenizer.from_pretrained(self.name, revision=self.revision, padding_side="left")
