"""The settings of all engines. Their libraries are imported only when an engine is built."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from rlvr.rollout.engine import EngineSettings, EngineTraits, Host, RolloutEngine


@dataclass(frozen=True)
class HF(EngineSettings):
    """The policy's own modules generate, with its live weights: exactly on-policy, slow on real models.

    Attributes:
        max_tokens: Tokens of prompts and completions that are generated side by side; bounds the key-value cache.
    """

    max_tokens: int

    @property
    def traits(self) -> EngineTraits:
        """See `EngineSettings`."""
        return EngineTraits(own_weights=False)

    def build(self, host: Host) -> RolloutEngine:
        """See `EngineSettings`."""
        from rlvr.rollout.hf import HFEngine

        return HFEngine(host, self.max_tokens)


@dataclass(frozen=True)
class VLLM(EngineSettings):
    """vLLM in the trainer's process, on weights copied from the policy at every sync.

    Attributes:
        max_model_len: Longest prompt and completion together, tokens; None: what the run needs.
        kv_cache_gib: Key-value cache, GiB a rank; None: 1 on CPU, 0.3 of a GPU beside a trainer, most of it alone.
        max_num_seqs: Completions side by side.
        tensor_parallel_size: Ranks that share an engine; neighbours in rank order.
        dtype: Of the engine's weights and activations; None: bfloat16 on CUDA, where vLLM's fast kernels want it, else
            the policy's. (Beside a trainer, the config's null is what the trainer computes in.)
        hang_timeout_s: The process ends when a decoding step takes longer.
        cache_dir: Folder of the engine's config. By its path vLLM finds what it compiled in earlier runs.
    """

    max_model_len: int | None
    kv_cache_gib: float | None
    max_num_seqs: int
    tensor_parallel_size: int
    dtype: str | None
    hang_timeout_s: float
    cache_dir: Path

    @property
    def traits(self) -> EngineTraits:
        """See `EngineSettings`."""
        return EngineTraits(
            own_weights=True,
            ranks_per_engine=self.tensor_parallel_size,
            dtype=self.dtype,
            context=self.max_model_len,
            kv_cache_gib=self.kv_cache_gib,
            package="vllm",
        )

    def sized(self, longest: int, kv_cache_gib: float | None) -> Self:
        """See `EngineSettings`."""
        length, cache = self.max_model_len or longest, self.kv_cache_gib or kv_cache_gib
        return replace(self, max_model_len=length, kv_cache_gib=cache)

    def build(self, host: Host) -> RolloutEngine:
        """See `EngineSettings`."""
        from rlvr.rollout.vllm import VLLMEngine

        return VLLMEngine(host, self)
