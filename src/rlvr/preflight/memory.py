"""The memory of a device by purpose, and its peaks."""

from dataclasses import dataclass
from functools import cached_property

from rlvr.preflight.activations import GIB, Step

# Limits of DeepSpeed, in elements. Parameters that ZeRO-3 gathers at a time: its `stage3_max_live_parameters`.
LIVE = 10**9
# Parameters of a rank that ZeRO-3's optimizer takes at a time, `sub_group_size`; `strategy.ShardedStrategy` sets it.
SUB_GROUP = 10**9
# Gradients that are reduced at a time, Lightning's `reduce_bucket_size`; ZeRO-2 fills one while it sends another.
BUCKET = 2 * 10**8
# Memory without a formula: first the CUDA context and NCCL's buffers; second these and what an engine holds, even
# asleep, in addition to weights and cache (CUDA graphs, buffers). Estimates that no GPU has confirmed.
CONTEXT_GIB, ENGINE_GIB = 1.0, 4.0

# Memory that is used in one phase of a step only; all other memory is always used.
ONLY = {
    "training": ("gathered parameters", "left by the forward pass", "largest layer or head"),
    "optimizer step": ("optimizer step's copies",),
    "sampling": ("engine's weights", "key-value cache"),
}


@dataclass(frozen=True)
class Memory:
    """Memory of one device, an estimate.

    Attributes:
        step: The largest micro-batch.
        trained: Parameters that the optimizer moves.
        ranks: Processes, a device each.
        zero_stage: 0 to 3.
        offload_optimizer: Optimizer states in the host's memory, gradients with them.
        ranks_per_engine: Ranks that share an engine; 0: the engine has no weights of its own.
        engine_bytes: Bytes of each of the engine's weights, and of each number in its cache.
        kv_cache_gib: Key-value cache a rank.
        on_gpu: Whether CUDA's own memory is counted.
        reference: A frozen copy of the policy lies beside it.
    """

    step: Step
    trained: int
    ranks: int
    zero_stage: int
    offload_optimizer: bool
    ranks_per_engine: int
    engine_bytes: int
    kv_cache_gib: float
    on_gpu: bool
    reference: bool = False

    @cached_property
    def gib(self) -> dict[str, float]:
        """Memory by purpose, GiB. ZeRO divides optimizer states (1), gradients (2) and weights (3) by the ranks."""
        fixed = ENGINE_GIB if self.ranks_per_engine else CONTEXT_GIB
        sizes = {
            "weights": self.weights / self._shard(3),
            **({"reference": self.copy / self._shard(3)} if self.reference else {}),
            "gradients": 0 if self.offload_optimizer else self.trained * self.step.precision.trained / self._shard(2),
            "optimizer": self._moved * self._states,
            "gradient buckets": self.buckets,
            "gathered parameters": self.gathered,
            "left by the forward pass": self.step.left_by_forward,
            "largest layer or head": self.step.on_top,
            "optimizer step's copies": self.copies,
            "engine's weights": self.engine,
            "key-value cache": self.kv_cache_gib * GIB,
            "context, NCCL, CUDA graphs (a guess)": fixed * GIB if self.on_gpu else 0,
        }
        return {name: size / GIB for name, size in sizes.items()}

    @property
    def peaks_gib(self) -> dict[str, float]:
        """Peaks by phase, GiB: training and the optimizer's step, both with the engine asleep, and sampling."""
        passing = {name for names in ONLY.values() for name in names}
        always = sum(gib for name, gib in self.gib.items() if name not in passing)
        return {phase: always + sum(self.gib[name] for name in names) for phase, names in ONLY.items()}

    @property
    def checkpoint_gib(self) -> float:
        """Weights and optimizer states on disk."""
        return (self.weights + self.copy + self.trained * self._states) / GIB

    @property
    def host_gib(self) -> dict[str, float]:
        """The policy's part of the host's memory, GiB, by process and phase.

        ZeRO-3 reads one layer at a time, in rank 0; all other strategies load the whole policy in every rank. Offloaded
        are the fp32 weights, Adam's two moments and an fp32 gradient. The rank that saves holds the whole policy.
        """
        shape, precision = self.step.shape, self.step.precision
        table = shape.V * shape.H
        largest = max(table, (shape.parameters - table * (1 if shape.tied else 2)) / shape.L)
        return {
            "rank 0 while it loads" if self.zero_stage == 3 else "each rank while it loads": (
                (largest * precision.frozen if self.zero_stage == 3 else self.weights + self.copy) / GIB
            ),
            "each rank's offloaded optimizer": self.trained * 16 / self.ranks / GIB if self.offload_optimizer else 0.0,
            "rank 0 while it saves": self.weights / GIB,
        }

    @property
    def cached_token(self) -> float:
        """Keys and values of one token in an engine's cache, bytes a rank; 0 without an engine of its own."""
        shape = self.step.shape
        return 2 * shape.L * shape.K * self.engine_bytes / self.ranks_per_engine if self.ranks_per_engine else 0.0

    @property
    def weights(self) -> float:
        """All weights of the policy, bytes; under LoRA both the frozen base and the adapters."""
        precision = self.step.precision
        frozen = self.step.shape.parameters * precision.frozen if self.step.lora else 0
        return self.trained * precision.trained + frozen

    @property
    def copy(self) -> float:
        """The reference, in the type in which the policy is trained, bytes."""
        return self.weights if self.reference else 0

    @property
    def buckets(self) -> float:
        """Buckets in which gradients are reduced, bytes; under DDP a second copy of all gradients."""
        elements = {2: 2 * BUCKET, 3: BUCKET}.get(self.zero_stage, self.trained if self.ranks > 1 else 0)
        return elements * self.step.precision.trained

    @property
    def gathered(self) -> float:
        """Parameters that ZeRO-3 holds whole, bytes."""
        return min(self.step.shape.parameters, LIVE) * self.step.precision.frozen if self.zero_stage == 3 else 0

    @property
    def copies(self) -> float:
        """Bytes of the copies in DeepSpeed's optimizer: of gradients to a flat tensor, and of this one to fp32.

        ZeRO-3 makes them for one sub-group at a time.
        """
        if self.zero_stage == 0:
            return 0
        taken = min(self._moved, SUB_GROUP) if self.zero_stage == 3 else self._moved
        return taken * (self.step.precision.trained + 4)

    @property
    def engine(self) -> float:
        """The engine's weights, bytes a rank; it has an output head of its own where the policy's is tied."""
        if not self.ranks_per_engine:
            return 0
        shape = self.step.shape
        head = shape.V * shape.H if shape.tied else 0
        return (shape.parameters + head) * self.engine_bytes / self.ranks_per_engine

    @property
    def _states(self) -> int:
        """Bytes of optimizer a trained parameter: Adam's two moments, and DeepSpeed's fp32 copy."""
        return 12 if self.zero_stage else 8

    @property
    def _moved(self) -> float:
        """Parameters whose optimizer states lie on the device."""
        return 0 if self.offload_optimizer else self.trained / self._shard(1)

    def _shard(self, stage: int) -> int:
        """By how much ZeRO divides what is sharded from `stage` on."""
        return self.ranks if self.zero_stage >= stage else 1
