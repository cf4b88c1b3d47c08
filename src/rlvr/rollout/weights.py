"""Gives the policy's weights in the form that engines need: lazy, in layer order, LoRA merged, shards gathered."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

SLICE = 2**24  # numbers that are summed at a time, since as integers they take four times the memory

Weights = Callable[[], Iterator[tuple[str, Tensor]]]
"""Starts a new pass over (name, tensor) pairs, names as in the Hugging Face checkpoint."""

Gathered = Callable[[Sequence[Parameter]], AbstractContextManager[Any]]
"""Makes sharded parameters whole inside the context, on every rank."""


def whole(parameters: Sequence[Parameter]) -> AbstractContextManager[None]:
    """For strategies that keep every parameter whole on every rank."""
    return nullcontext()


def base_of(policy: Any) -> Any:
    """The Hugging Face model itself, without peft's wrapper where there is one."""
    return policy.get_base_model() if hasattr(policy, "get_base_model") else policy


@contextmanager
def evaluating(policy: Any) -> Iterator[None]:
    """Switch off dropout, which would also draw random numbers; afterwards the modes are as before."""
    training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(training)


@torch.no_grad()
def named_weights(policy: Any, gathered: Gathered = whole) -> Iterator[tuple[str, Tensor]]:
    """Every weight of the policy, one layer at a time, so that never more than a layer is held beside the model.

    Under ZeRO-3 all ranks must exhaust the iterator together: each layer's gathering is a collective. Tied weights
    come under each of their names. LoRA's update is added to a copy of one matrix at a time; merging it into the
    policy and taking it out again would let rounding add up.

    Args:
        policy: A Hugging Face model, or one wrapped by peft.
        gathered: How the strategy puts sharded parameters together.
    """
    for prefix, layer in layers(base_of(policy)):
        with gathered(list(layer.parameters())):
            for name, weight in _merged(layer):
                yield prefix + name, weight


def fingerprint(weights: Iterable[tuple[str, Tensor]]) -> str:
    """Twelve hexadecimal digits that stand for these weights, so that results kept for them never serve others.

    These are sums of the numbers' bits as integers, once plain and once weighted by their place. Such sums are exact,
    so the order in which devices or threads add does not matter.
    """
    digest = hashlib.sha256()
    for name, tensor in weights:
        digest.update(repr((name, tuple(tensor.shape), str(tensor.dtype), _bit_sums(tensor))).encode())
    return digest.hexdigest()[:12]


def _bit_sums(tensor: Tensor) -> tuple[int, int]:
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    bits_N = tensor.detach().contiguous().view(integers).flatten()
    plain = weighted = 0
    for start in range(0, len(bits_N), SLICE):
        part_N = bits_N[start : start + SLICE].long()
        place_N = torch.arange(start, start + len(part_N), device=part_N.device)
        plain += int(part_N.sum())
        weighted += int((part_N * (2 * place_N + 1)).sum())  # an overflow wraps around, which is exact, too
    return plain, weighted


def layers(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The blocks of the model's layer list one by one, and the modules before and after them."""
    if not any(isinstance(child, nn.ModuleList) for child in module.modules()):
        if any(True for _ in module.parameters()):
            yield prefix, module
        return
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{prefix}{name}.{index}.", block) for index, block in enumerate(child))
        else:
            yield from layers(child, f"{prefix}{name}.")


def checkpoint_name(name: str) -> str | None:
    """What a checkpoint of the base calls this parameter of the policy; None for an adapter's."""
    return None if ".lora_" in f".{name}" else name.replace("base_layer.", "")


def _merged(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights of one layer under their checkpoint names, adapters merged."""
    modules = dict(layer.named_modules())
    for name, parameter in layer.named_parameters():
        path, _, leaf = name.rpartition(".")
        plain = checkpoint_name(name)
        if plain is None:
            continue
        owner = modules.get(path.removesuffix("base_layer").removesuffix("."))
        if path.endswith("base_layer") and leaf == "weight":
            yield plain, _with_update(owner, parameter)
        else:
            yield plain, parameter.detach()


def _with_update(lora: Any, weight: Tensor) -> Tensor:
    """Base matrix plus every active adapter's update."""
    update = sum(lora.get_delta_weight(adapter) for adapter in lora.active_adapters if adapter in lora.lora_A)
    return weight.detach() + update.to(weight.dtype) if isinstance(update, Tensor) else weight.detach()
