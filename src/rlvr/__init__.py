"""RLVR and the reasoning boundary: problems -> rollout -> verify -> algo -> step -> scoring -> training."""

import os
from importlib.util import find_spec

from rlvr.memory import ask_for_large_pages
from rlvr.names import pair_of

# GNU OpenMP's threads spin at barriers by default, so two runs that share cores stall each other more than tenfold;
# a short spin is as fast alone and shares fairly. Set here since it counts only before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
ask_for_large_pages()


def steps(rollouts: object, minibatches: object) -> int | None:
    """Optimizer steps of a run, for `trainer.max_steps`; None where the preflight will refuse one of the two."""
    return rollouts * minibatches if isinstance(rollouts, int) and isinstance(minibatches, int) else None


def below(folder: str, name: str | None) -> str:
    """A folder, or the one of this name in it."""
    return f"{folder}/{name}" if name else folder


def rate(lora: object, whole: float, adapters: float) -> float:
    """The learning rate of a recipe: of full fine-tuning, or of adapters where `lora` asks for some."""
    return adapters if lora else whole


def from_file(path: str, name: str) -> str:
    """See `rlvr.plugins`, which most configs do without."""
    from rlvr.plugins import from_file

    return from_file(path, name)


def content_of(named: str) -> str:
    """See `rlvr.plugins`."""
    from rlvr.plugins import content_of

    return content_of(named)


def run_folder(fresh: str, ckpt_path: str | None) -> str:
    """The folder of a run, for `hydra.run.dir`: a new one, or with `ckpt_path=last` the newest that has checkpoints."""
    if ckpt_path != "last":
        return fresh
    from rlvr.checkpoint.start import newest_run  # imports torch, which a refused setting should not wait for

    return newest_run(fresh)


# Here, since every script and test imports this package before it composes a config. Without Hydra, as `make gpu-check`
# may find a machine, there is nothing to compose.
if find_spec("omegaconf"):
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("steps", steps, replace=True)
    OmegaConf.register_new_resolver("below", below, replace=True)
    OmegaConf.register_new_resolver("rate", rate, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)
    OmegaConf.register_new_resolver("from_file", from_file, replace=True)
    OmegaConf.register_new_resolver("content_of", content_of, replace=True)
    OmegaConf.register_new_resolver("pair_of", pair_of, replace=True)
