"""What a run will ask for, from its config alone: work, memory, disk. Nothing is loaded or downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from rlvr.errors import ConfigError
from rlvr.report.tables import Grid
from rlvr.training.head import CHUNK_GIB

GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """The numbers that decide what fits; every memory figure is an estimate, activations the roughest of them.

    Attributes:
        config: The policy's Hugging Face config.
        problems_per_step: P, over all ranks.
        group_size: G.
        minibatches_per_rollout: Optimizer steps a rollout.
        micro_batch_tokens: Packed tokens that go through the policy at a time.
        max_steps: Optimizer steps.
        max_prompt_tokens: Longest prompt.
        max_new_tokens: Longest completion of a rollout.
        eval_new_tokens: Longest completion of an evaluation; its engine cuts it where the context ends.
        ranks: Processes, a device each.
        zero_stage: 0 to 3.
        offload_optimizer: Optimizer states in the host's memory.
        lora_rank: None when every parameter is trained.
        gradient_checkpointing: One activation a layer is kept.
        half: Weights, gradients and activations in bf16, with fp32 copies in the optimizer.
        context: Longest prompt and completion together that policy and engine can hold, tokens.
        ranks_per_engine: Ranks that share an engine; 0: the engine has no weights of its own.
        kv_cache_gib: Key-value cache a rank.
        device_gib: Memory of a device; None: unknown.
    """

    config: Any
    problems_per_step: int
    group_size: int
    minibatches_per_rollout: int
    micro_batch_tokens: int
    max_steps: int
    max_prompt_tokens: int
    max_new_tokens: int
    eval_new_tokens: int
    ranks: int
    zero_stage: int
    offload_optimizer: bool
    lora_rank: int | None
    gradient_checkpointing: bool
    half: bool
    context: int
    ranks_per_engine: int
    kv_cache_gib: float
    device_gib: float | None

    @cached_property
    def parameters(self) -> int:
        """Counted on a model that has shapes and no memory."""
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(self.config)
        return sum(parameter.numel() for parameter in model.parameters())

    @property
    def trained(self) -> int:
        """Parameters that the optimizer moves; LoRA: two thin matrices at each of a layer's seven."""
        if self.lora_rank is None:
            return self.parameters
        c = self.config
        head = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        q, kv = c.num_attention_heads * head, c.num_key_value_heads * head
        widths = 2 * (c.hidden_size + q) + 2 * (c.hidden_size + kv) + 3 * (c.hidden_size + c.intermediate_size)
        return self.lora_rank * widths * c.num_hidden_layers

    @property
    def rollouts(self) -> int:
        """Rollout batches."""
        return ceil(self.max_steps / self.minibatches_per_rollout)

    @property
    def sequence_tokens(self) -> int:
        """Tokens of the longest prompt and completion in training."""
        return self.max_prompt_tokens + self.max_new_tokens

    @property
    def evaluations_are_cut(self) -> bool:
        """Whether the context may end before an evaluated completion of full length does."""
        return self.max_prompt_tokens + self.eval_new_tokens > self.context

    @property
    def step_tokens(self) -> int:
        """Packed tokens of an optimizer step and rank, when every prompt and completion is as long as may be."""
        problem = self.max_prompt_tokens + self.group_size * self.max_new_tokens
        return ceil(self.problems_per_step * problem / (self.minibatches_per_rollout * self.ranks))

    @property
    def micro_tokens(self) -> int:
        """Packed tokens of the largest micro-batch."""
        return min(self.micro_batch_tokens, self.step_tokens)

    def memory_gib(self) -> dict[str, float]:
        """By what it is for, GiB a device.

        Weights and gradients: 2 bytes a parameter in bf16, else 4. Optimizer: Adam's two moments in fp32, and an fp32
        copy beside bf16 weights. ZeRO divides optimizer states (1), gradients (2), weights (3) by the ranks.
        Activations: one hidden state a token and layer, and the inside of one layer (of all, without checkpointing).
        Logits: three chunks.
        """
        c, size = self.config, 2 if self.half else 4
        parameters, trained = self.parameters, self.trained
        shard = [1 if self.zero_stage < stage else self.ranks for stage in (1, 2, 3)]
        inside = 10 * c.hidden_size + 3 * c.intermediate_size
        layers = 1 if self.gradient_checkpointing else c.num_hidden_layers
        states = trained * (12 if self.half else 8) / shard[0]
        return {
            "weights": parameters * size / shard[2] / GIB,
            "gradients": trained * size / shard[1] / GIB,
            "optimizer": 0.0 if self.offload_optimizer else states / GIB,
            "activations": self.micro_tokens * (c.hidden_size * c.num_hidden_layers + inside * layers) * size / GIB,
            "logits": 3 * CHUNK_GIB,
            "engine's weights": parameters * size / self.ranks_per_engine / GIB if self.ranks_per_engine else 0.0,
            "key-value cache": self.kv_cache_gib,
        }

    @property
    def peaks_gib(self) -> tuple[float, float]:
        """While training, the engine asleep; and while sampling, without activations."""
        memory = self.memory_gib()
        engine = memory["engine's weights"] + memory["key-value cache"]
        return sum(memory.values()) - engine, sum(memory.values()) - memory["activations"] - memory["logits"]

    @property
    def checkpoint_gib(self) -> float:
        """Weights and optimizer states on disk."""
        return (self.parameters * (2 if self.half else 4) + self.trained * (12 if self.half else 8)) / GIB

    @property
    def fits(self) -> bool:
        """Whether both peaks leave a tenth of the device free."""
        return self.device_gib is None or max(self.peaks_gib) <= 0.9 * self.device_gib

    def check(self) -> None:
        """Refuse lengths that the context or a micro-batch can't hold, and what the memory can't.

        Raises:
            ConfigError: With the nearest settings that would fit.
        """
        if self.sequence_tokens > self.context or self.max_prompt_tokens < 1:
            raise ConfigError(
                f"rollout.sampling.max_new_tokens={self.max_new_tokens}: with a prompt of up to "
                f"{max(self.max_prompt_tokens, 1)} tokens, more than the context of {self.context} tokens (the "
                "policy's or rollout.engine.max_model_len); lower it, or data.max_prompt_tokens."
            )
        if self.sequence_tokens > self.micro_batch_tokens:
            raise ConfigError(
                f"batch.micro_batch_tokens={self.micro_batch_tokens}: must hold a prompt of {self.max_prompt_tokens} "
                f"tokens and a completion of {self.max_new_tokens}; raise it to {self.sequence_tokens} or shorten them."
            )
        if self.fits:
            return
        training, sampling = self.peaks_gib
        nearest = self._nearest()
        advice = f"{' '.join(nearest)} would fit" if nearest else "nothing tried here would fit: take more devices"
        raise ConfigError(
            f"model and batch: about {training:.0f} GiB a device while training and {sampling:.0f} GiB while sampling, "
            f"of {self.device_gib:.0f} GiB; {advice}."
        )

    def _nearest(self) -> list[str]:
        """The least intrusive settings under which the run fits, none of them needless; empty where none do."""
        chosen: dict[str, dict[str, Any]] = {}
        for setting, change in self._savings():
            chosen[setting] = change
            if self._with(chosen).fits:
                break
        else:
            return []
        for setting in list(chosen):
            fewer = {name: change for name, change in chosen.items() if name != setting}
            if self._with(fewer).fits:
                chosen = fewer
        return list(chosen)

    def _with(self, chosen: dict[str, dict[str, Any]]) -> "Plan":
        return replace(self, **{field: value for change in chosen.values() for field, value in change.items()})

    def _savings(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Settings that need less memory, in the order in which one would try them."""
        tokens = self.micro_tokens
        while tokens > self.sequence_tokens:
            tokens = max(tokens // 2, self.sequence_tokens)
            yield f"batch.micro_batch_tokens={tokens}", {"micro_batch_tokens": tokens}
        yield "rollout.engine.kv_cache_gib=4", {"kv_cache_gib": min(self.kv_cache_gib, 4.0)}
        yield "gradient_checkpointing=true", {"gradient_checkpointing": True}
        sharded = {"zero_stage": 3, "half": True}
        yield "trainer=deepspeed_zero3", sharded
        yield "trainer=deepspeed_zero3_offload", {**sharded, "offload_optimizer": True}
        yield "lora=rank16", {"lora_rank": 16}

    def __str__(self) -> str:
        """In one line, for the terminal of a run."""
        memory = (
            "" if self.device_gib is None else f", about {max(self.peaks_gib):.0f} of {self.device_gib:.0f} GiB a GPU"
        )
        return (
            f"{self.rollouts} rollouts of {self.problems_per_step} x {self.group_size} in {self.max_steps} steps, "
            f"{self.trained / 1e6:,.1f}M parameters trained on {self.ranks} rank(s){memory}"
        )

    def table(self) -> Grid:
        """All of it."""
        training, sampling = self.peaks_gib
        cut = f", cut at the context of {self.context:,}" if self.evaluations_are_cut else ""
        rows = [
            ["parameters", f"{self.parameters:,}"],
            ["trained parameters", f"{self.trained:,}"],
            ["rollouts", f"{self.rollouts} of {self.problems_per_step} x {self.group_size}"],
            ["optimizer steps", f"{self.max_steps}"],
            ["optimizer steps a rollout", f"{self.minibatches_per_rollout}"],
            ["tokens a completion at most", f"{self.max_new_tokens:,}"],
            [f"in evaluations{cut}", f"{self.eval_new_tokens:,}"],
            ["tokens a step and rank at most", f"{self.step_tokens:,}"],
            ["tokens a micro-batch at most", f"{self.micro_tokens:,}"],
            ["micro-batches a step at most", f"{ceil(self.step_tokens / self.micro_tokens)}"],
            ["ranks", f"{self.ranks}"],
            *([f"{name} (GiB)", f"{gib:.2f}"] for name, gib in self.memory_gib().items()),
            ["all while training (GiB)", f"{training:.2f}"],
            ["all while sampling (GiB)", f"{sampling:.2f}"],
            ["checkpoint on disk (GiB)", f"{self.checkpoint_gib:.2f}"],
        ]
        return Grid("Plan, memory a device (estimates)", ["", ""], rows)
