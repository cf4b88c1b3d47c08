"""`configs/rollout/`: what samples completions."""

from typing import ClassVar, Literal

from rlvr.config.keys import Built, Group, key


class Engine(Built):
    """What samples."""


class HF(Engine):
    """The policy's own modules generate, with its live weights."""

    max_tokens: int = key("prompts and completions generated side by side; bounds the cache", unit="tokens", low=1)


class VLLM(Engine):
    """vLLM in the trainer's process."""

    max_model_len: int | None = key(
        "longest prompt and completion together; null: what the run needs", unit="tokens", low=1
    )
    kv_cache_gib: float | None = key(
        "key-value cache a rank; null: 1 on CPU, 0.3 of a GPU beside a trainer, most of it alone", unit="GiB", above=0
    )
    max_num_seqs: int = key("completions side by side at most", low=1)
    tensor_parallel_size: int = key("ranks that have an engine together", low=1)
    dtype: Literal["float32", "bfloat16", "float16"] | None = key(
        "null: bfloat16 on CUDA; on CPU what the trainer computes in"
    )
    hang_timeout_s: float = key("a decoding step that takes longer ends the process", unit="seconds", above=0)
    cache_dir: str = key("where the engine's config is kept")


class Sampling(Built):
    """How completions are drawn."""

    temperature: float = key("of the softmax", above=0)
    top_p: float = key("probability kept of the distribution's head; training needs 1", above=0, high=1)
    max_new_tokens: int | None = key(
        "longest completion; null: as long as the data set's longest answer", unit="tokens", low=1
    )


class Guard(Built):
    """Stops a run whose rollouts do not come from the policy that is trained."""

    called_later: ClassVar[bool] = True

    rollouts: int = key("recomputed at every step", low=1)
    mean_limit: float | None = key(
        "mean |difference| of log-probabilities; null: 2e-4 where both compute in fp32, else 0.1", unit="nats", above=0
    )


class Rollout(Group):
    """Engine, sampling, guard."""

    engine: Engine = key("what samples")
    sampling: Sampling = key("how training's completions are drawn")
    guard: Guard = key("compares the engine's log-probabilities with the trainer's", optional=True)
