"""A policy whose weights stay in their files until each rank can take its part of them (ZeRO-3)."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import Parameter
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.initialization import no_init_weights
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

from rlvr.errors import ConfigError, cause_of
from rlvr.rollout import base_of, checkpoint_name, layers

Partition = Callable[[nn.Module], None]
"""Gives every rank its part of a module's parameters, with rank 0's values; a collective."""


@dataclass(frozen=True)
class Checkpoint:
    """A model in Hugging Face's format, read whole or tensor by tensor.

    Attributes:
        name: Hub name or folder.
        revision: Commit, tag or branch of a hub name.
    """

    name: str
    revision: str | None = None

    def tokenizer(self) -> Any:
        """It pads on the left, as generation needs."""
        return AutoTokenizer.from_pretrained(self.name, revision=self.revision, padding_side="left")

    def load(self, dtype: torch.dtype | None) -> tuple[PreTrainedModel, Any]:
        """The whole model and its tokenizer; weights of this type, None: as they are stored."""
        model = AutoModelForCausalLM.from_pretrained(self.name, revision=self.revision, dtype=dtype or "auto")
        return model, self.tokenizer()

    def hollow(self, dtype: torch.dtype) -> PreTrainedModel:
        """The model as `load` makes it, buffers too, but without memory for its parameters: `fill` brings them later.

        Raises:
            ConfigError: When the files lack one of the parameters, or hold it in another shape.
        """
        config = AutoConfig.from_pretrained(self.name, revision=self.revision)
        with no_init_weights(), _without_memory():
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
        model.tie_weights()
        try:
            model.generation_config = GenerationConfig.from_pretrained(self.name, revision=self.revision or "main")
        except OSError:
            model.generation_config = GenerationConfig.from_model_config(config)
        # Every rank checks: if one failed alone later, the others would wait for it in a collective.
        for name, parameter in model.named_parameters():
            self._check(name, tuple(parameter.shape))
        return model.eval()

    def tensor(self, name: str, dtype: torch.dtype) -> Tensor:
        """One tensor of the files, in host memory."""
        path, _ = self._held[name]
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name).to(dtype)

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        if name not in self._held:
            raise ConfigError(
                f"model {self.name}: its safetensors files lack {name}; some are missing, or they use names of their "
                "own, which trainer=deepspeed_zero2 can read."
            )
        held = self._held[name][1]
        if held != shape:
            raise ConfigError(
                f"model {self.name}: its config asks for {name} of shape {list(shape)}, and its files hold "
                f"{list(held)}; config.json and weights belong to different models."
            )

    @cached_property
    def _held(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """File and shape of every tensor, from the files' headers.

        Raises:
            ConfigError: When there are no safetensors files, or they can't be read.
        """
        held: dict[str, tuple[str, tuple[int, ...]]] = {}
        try:
            for path in self._paths():
                with safe_open(path, framework="pt") as file:
                    held |= {name: (path, tuple(file.get_slice(name).get_shape())) for name in file.keys()}  # noqa: SIM118
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ConfigError(f"model {self.name}: its safetensors files can't be read ({cause_of(error)}).") from error
        if not held:
            raise ConfigError(
                f"model {self.name}: there is no {SAFE_WEIGHTS_NAME}, and ZeRO-3 reads weights from that format only; "
                "choose trainer=deepspeed_zero2, or save the model once with transformers' save_pretrained."
            )
        return held

    def _paths(self) -> list[str]:
        """The files, downloaded first where the model is on the hub."""
        if index := self._find(SAFE_WEIGHTS_INDEX_NAME):
            names = sorted(set(json.loads(Path(index).read_text())["weight_map"].values()))
        else:
            names = [SAFE_WEIGHTS_NAME]
        return [path for path in map(self._find, names) if path]

    def _find(self, file: str) -> str | None:
        return cached_file(self.name, file, revision=self.revision, _raise_exceptions_for_missing_entries=False)


def fill(policy: Any, checkpoint: Checkpoint, partition: Partition, device: torch.device, reads: bool) -> None:
    """Bring in the weights of a hollow policy, so that no rank ever holds more than its parts and one layer.

    One rank reads and the others receive: partitioning sends rank 0's parameters to all in any case, one read spares
    the file system as many as there are ranks, and adapters, drawn on every rank, are the same everywhere.

    Args:
        policy: What `Checkpoint.hollow` made, or peft's wrapper around it.
        checkpoint: Where its weights are.
        partition: The strategy's.
        device: Where layers are received.
        reads: Whether this rank is the one that reads.
    """
    filled: set[Parameter] = set()  # a tied head is the embedding's own parameter
    for prefix, layer in layers(base_of(policy)):
        for path, parameter in layer.named_parameters():
            name = checkpoint_name(prefix + path)
            if name is None or parameter in filled:
                continue
            if reads:
                parameter.data = checkpoint.tensor(name, parameter.dtype)
            else:
                parameter.data = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
            filled.add(parameter)
        partition(layer)


@contextmanager
def _without_memory() -> Iterator[None]:
    """Parameters that are made inside hold a single NaN, expanded to their shape.

    Unlike the meta device this leaves buffers alone (RoPE's frequencies are in no file), and parameters can be
    given their data in place: tied ones stay tied, and peft puts adapters beside them as beside any other.
    """
    register = nn.Module.register_parameter

    def without(module: nn.Module, name: str, parameter: Parameter | None) -> None:
        if parameter is not None:
            parameter.data = torch.full((), torch.nan, dtype=parameter.dtype).expand(parameter.shape)
        register(module, name, parameter)

    nn.Module.register_parameter = without  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]
