"""Where the policy comes from, and how it is written as a plain Hugging Face folder."""

from rlvr.models.gguf import PackagedPolicy
from rlvr.models.made import Demonstrator, MadePolicy
from rlvr.models.pretrained import PolicySource, PretrainedPolicy, save_policy, trainable
from rlvr.models.streamed import Checkpoint
from rlvr.models.taught import TaughtPolicy
from rlvr.models.warm_start import WarmStartedPolicy

__all__ = [
    "Checkpoint",
    "Demonstrator",
    "MadePolicy",
    "PackagedPolicy",
    "PolicySource",
    "PretrainedPolicy",
    "TaughtPolicy",
    "WarmStartedPolicy",
    "save_policy",
    "trainable",
]
