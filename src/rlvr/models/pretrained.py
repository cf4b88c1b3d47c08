"""Where the policy comes from: a Hugging Face folder or hub name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from rlvr.data import ProblemSource
from rlvr.errors import ConfigError, cause_of
from rlvr.models.streamed import Checkpoint
from rlvr.rollout import Gathered, base_of, named_weights


class PolicySource(Protocol):
    """Makes or reads the base policy."""

    def config(self, source: ProblemSource) -> PretrainedConfig:
        """What the model is, its weights left where they are."""

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """Where the model is, made first where it has to be."""

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """The model and its tokenizer; `dtype` is that of the weights, None: as they are stored."""


def trainable(policy: PreTrainedModel, lora: Any | None, gradient_checkpointing: bool) -> Any:
    """The policy as it is trained: with adapters and a frozen base, with fewer activations kept, or as it is.

    Args:
        policy: The base.
        lora: A `peft.LoraConfig`, or None to train every parameter.
        gradient_checkpointing: Keep one activation a layer.
    """
    if gradient_checkpointing:
        policy.gradient_checkpointing_enable({"use_reentrant": False})
    if lora is None:
        return policy
    from peft import get_peft_model

    return get_peft_model(policy, lora)


def save_policy(policy: Any, tokenizer: Any, folder: Path, gathered: Gathered, write: bool) -> None:
    """Write the policy as a plain Hugging Face folder, shards put together and adapters merged.

    Args:
        policy: The trained policy; every rank calls, since gathering is a collective.
        tokenizer: Its tokenizer.
        folder: Where to.
        gathered: How the strategy makes parameters whole.
        write: Whether this rank writes.
    """
    weights = ((name, tensor.cpu().clone()) for name, tensor in named_weights(policy, gathered))
    state = {name: tensor for name, tensor in weights if write}  # one layer at a time on the ranks that don't write
    if write:
        model = base_of(policy)
        tied = model.config.tie_word_embeddings and "lm_head.weight" in state
        model.save_pretrained(
            folder, state_dict={n: t for n, t in state.items() if not (tied and n == "lm_head.weight")}
        )
        tokenizer.save_pretrained(folder)


@dataclass(frozen=True)
class PretrainedPolicy:
    """A causal language model in Hugging Face's format.

    Attributes:
        name: Hub name or folder.
        revision: Commit, tag or branch of a hub name.
        architecture: Hugging Face model type, known before anything is downloaded; None: ask the folder or the hub.
        size: Arguments of that architecture's config.
    """

    name: str
    revision: str | None
    architecture: str | None = None
    size: dict[str, Any] | None = None

    def config(self, source: ProblemSource) -> PretrainedConfig:
        """From what the config file says of the model, else from its folder or the hub.

        Raises:
            ConfigError: When there is no such model.
        """
        if self.architecture is not None:
            return AutoConfig.for_model(self.architecture, **(self.size or {}))
        try:
            return AutoConfig.from_pretrained(self.name, revision=self.revision)
        except (OSError, ValueError) as error:
            raise ConfigError(f"model.name={self.name}: its config can't be read ({cause_of(error)}).") from error

    def checkpoint(self, source: ProblemSource, seed: int, cache_dir: Path) -> Checkpoint:
        """The folder or hub name as it is."""
        return Checkpoint(self.name, self.revision)

    def load(
        self, source: ProblemSource, seed: int, cache_dir: Path, dtype: torch.dtype | None
    ) -> tuple[PreTrainedModel, Any]:
        """Read the model and its tokenizer; the hub's own cache holds downloads."""
        return self.checkpoint(source, seed, cache_dir).load(dtype)
