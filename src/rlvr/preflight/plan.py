"""What a run will need, from its config alone: work, memory, disk. Nothing is loaded or downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

from rlvr.errors import ConfigError
from rlvr.preflight.activations import GIB, Shape, Step, lora_parameters, precision_of, shape_of
from rlvr.preflight.memory import Memory

if TYPE_CHECKING:
    from rlvr.tables import Grid

# Rows of attention are batched with rows of similar length and padded to the longest, which adds this factor.
PADDED = 1.1
LEFT_OUT = "fragmentation, kernels' workspaces and the cache of rollout=hf"


@dataclass(frozen=True)
class Plan:
    """The numbers that decide what fits. Every memory figure is an estimate, and the activations are the roughest.

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
        gradient_checkpointing: Whether only one activation a layer is kept.
        precision: The trainer's.
        entropy_gradient: A term of the objective learns from the entropies.
        context: Longest prompt and completion together that policy and engine can hold, tokens.
        engine_context: What the engine's cache must hold at least: one sequence of so many tokens.
        engine_bytes: Bytes of each of the engine's weights, and of each number in its cache.
        ranks_per_engine: Ranks that share an engine; 0: the engine has no weights of its own.
        kv_cache_gib: Key-value cache a rank; 0: the engine keeps none.
        device_gib: Memory of a device; None: unknown.
        nucleus: A term of the objective learns from the entropies inside the nucleus.
        reference: A copy of the base, to which a term or evaluations compare the policy.
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
    precision: str
    entropy_gradient: bool
    context: int
    engine_context: int
    engine_bytes: int
    ranks_per_engine: int
    kv_cache_gib: float
    device_gib: float | None
    nucleus: bool = False
    reference: bool = False

    @cached_property
    def shape(self) -> Shape:
        """The policy's sizes."""
        return shape_of(self.config)

    @property
    def parameters(self) -> int:
        """All of the policy's."""
        return self.shape.parameters

    @property
    def trained(self) -> int:
        """Parameters that the optimizer moves."""
        return self.parameters if self.lora_rank is None else lora_parameters(self.shape, self.lora_rank)

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

    @cached_property
    def memory(self) -> Memory:
        """What it asks of a device."""
        problem = self.max_prompt_tokens + self.group_size * self.max_new_tokens
        return Memory(
            step=Step(
                shape=self.shape,
                precision=precision_of(self.precision, lora=self.lora_rank is not None),
                tokens=self.micro_tokens,
                rows=PADDED * self.group_size * self.sequence_tokens / problem,
                lora=self.lora_rank is not None,
                checkpointing=self.gradient_checkpointing,
                entropy=self.entropy_gradient,
                nucleus=self.nucleus,
            ),
            trained=self.trained,
            ranks=self.ranks,
            zero_stage=self.zero_stage,
            offload_optimizer=self.offload_optimizer,
            ranks_per_engine=self.ranks_per_engine,
            engine_bytes=self.engine_bytes,
            kv_cache_gib=self.kv_cache_gib,
            on_gpu=self.device_gib is not None,
            reference=self.reference and self.lora_rank is None,  # adapters are switched off instead
        )

    @property
    def checkpoint_gib(self) -> float:
        """Weights and optimizer states on disk."""
        return self.memory.checkpoint_gib

    @property
    def sequence_gib(self) -> float:
        """Keys and values of the longest sequence that the engine promises to hold, a rank."""
        return self.engine_context * self.memory.cached_token / GIB

    @property
    def fits(self) -> bool:
        """Whether all peaks leave a tenth of the device free."""
        return self.device_gib is None or max(self.memory.peaks_gib.values()) <= 0.9 * self.device_gib

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
        if self.kv_cache_gib and self.sequence_gib > self.kv_cache_gib:
            raise ConfigError(
                f"rollout.engine.kv_cache_gib={self.kv_cache_gib:g}: keys and values of one sequence of "
                f"{self.engine_context} tokens take {self.sequence_gib:.2f} GiB; raise it, or shorten prompts, "
                "completions or rollout.engine.max_model_len."
            )
        if self.fits:
            return
        peaks = ", ".join(f"{gib:.0f} GiB ({phase})" for phase, gib in self.memory.peaks_gib.items())
        nearest = self._nearest()
        advice = f"{' '.join(nearest)} would fit" if nearest else "nothing tried here would fit: take more devices"
        raise ConfigError(
            f"model and batch: about {peaks} a device, of which a tenth of {self.device_gib:.0f} GiB should stay free; "
            f"{advice}."
        )

    def _nearest(self) -> list[str]:
        """The least intrusive settings with which the run fits, and no unnecessary one; empty where none is enough."""
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
        cache = min(self.kv_cache_gib, max(4, ceil(self.sequence_gib)))
        yield f"rollout.engine.kv_cache_gib={cache:g}", {"kv_cache_gib": cache}
        yield "gradient_checkpointing=true", {"gradient_checkpointing": True}
        sharded = {"zero_stage": 3, "precision": "bf16-true"}
        yield "trainer=deepspeed_zero3", sharded
        yield "trainer=deepspeed_zero3_offload", {**sharded, "offload_optimizer": True}
        yield "lora=rank16", {"lora_rank": 16}

    def __str__(self) -> str:
        """In one line, for the terminal of a run."""
        peak = max(self.memory.peaks_gib.values())
        memory = "" if self.device_gib is None else f", about {peak:.0f} of {self.device_gib:.0f} GiB a GPU"
        return (
            f"{self.rollouts} rollouts of {self.problems_per_step} x {self.group_size} in {self.max_steps} steps, "
            f"{self.trained / 1e6:,.1f}M parameters trained on {self.ranks} rank(s){memory}"
        )

    def table(self) -> "Grid":
        """All of it."""
        from rlvr.tables import Grid  # which needs Hydra; a plan alone does not

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
            *([f"{name} (GiB)", f"{gib:.2f}"] for name, gib in self.memory.gib.items()),
            *([f"all, {phase} (GiB)", f"{gib:.2f}"] for phase, gib in self.memory.peaks_gib.items()),
            *([f"host, {when} (GiB)", f"{gib:.2f}"] for when, gib in self.memory.host_gib.items()),
            ["checkpoint on disk (GiB)", f"{self.memory.checkpoint_gib:.2f}"],
        ]
        return Grid(f"Plan, memory a device: estimates, without {LEFT_OUT}", ["", ""], rows)
