"""What a config needs of this machine: libraries, devices, and a model in the cache or a hub that answers."""

import os
import shutil
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub import constants
from huggingface_hub.utils import HFValidationError, get_session, validate_repo_id
from omegaconf import DictConfig

from rlvr.errors import ConfigError

HUB_TIMEOUT_S = 4.0


def check_machine(cfg: DictConfig, packages: Collection[str | None]) -> None:
    """Look at the cheap things first.

    Args:
        cfg: The composed config.
        packages: What engine and strategy need.

    Raises:
        ConfigError: With the sentence of the first thing that is missing here.
    """
    for lack in (missing(packages), adapters(cfg), devices(cfg), model_at_hand(cfg)):
        if lack:
            raise ConfigError(lack)


# How to install what only some settings need.
REMEDIES = {
    "vllm": "rollout=vllm: vLLM is not installed; `make vllm` installs the build for this machine, "
    "`pip install 'rlvr[vllm]'` that for CUDA.",
    "deepspeed": "trainer.strategy: DeepSpeed is not installed; `pip install 'rlvr[deepspeed]'` installs it.",
}


def missing(packages: Collection[str | None]) -> str | None:
    """The first package that is not installed, and how to install it."""
    lacking = [package for package in packages if package and not find_spec(package)]
    return REMEDIES.get(lacking[0], f"The package {lacking[0]} is not installed.") if lacking else None


def adapters(cfg: DictConfig) -> str | None:
    """What LoRA needs."""
    if cfg.get("lora") and not find_spec("peft"):
        return "lora: peft is not installed; `pip install 'rlvr[lora]'` installs it."
    return None


def device() -> torch.device:
    """The device of a process without a trainer: its own GPU where there is one. The GPU is named by its index, so that
    an engine does not take another rank's GPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def deterministic_kernels() -> None:
    """Ask for the reproducible version of all that is known to vary on a GPU. On a CPU a run is reproducible already.

    To be called before anything computes on the GPU. Operations that have no such version warn. vLLM's batch-invariant
    kernels want a GPU of compute capability 8.0 or later, and took 2.4 times as long in its own report.
    """
    if not torch.cuda.is_available():
        return
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    os.environ["VLLM_BATCH_INVARIANT"] = "1"  # read when vllm is imported
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads what it has not written


def devices(cfg: DictConfig) -> str | None:
    """GPUs, where the trainer wants some."""
    if "trainer" not in cfg or cfg.trainer.accelerator == "cpu":
        return None
    if cfg.trainer.accelerator == "mps":
        there = torch.backends.mps.is_available()
        return None if there else "trainer.accelerator=mps: torch finds no GPU of a Mac here; choose trainer=cpu."
    here, wanted = torch.cuda.device_count(), cfg.trainer.devices
    if here == 0:
        return "trainer.accelerator=cuda: this machine has no GPU that torch can use; choose trainer=cpu."
    if isinstance(wanted, int) and wanted > here:
        return f"trainer.devices={wanted}: this machine has {here}; lower it, and batch and accumulation with it."
    return None


def check_disk(needed_gib: float, folder: Path) -> None:
    """Room for two checkpoints, since the new one is written before the old one goes.

    Raises:
        ConfigError: When the folder's disk has less free.
    """
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free_gib = shutil.disk_usage(nearest).free / 2**30
    if free_gib < 2 * needed_gib:
        raise ConfigError(
            f"paths.log_dir={folder}: {free_gib:.1f} GiB are free and two checkpoints take {2 * needed_gib:.1f}; make "
            "room, or choose another folder."
        )


def model_at_hand(cfg: DictConfig) -> str | None:
    """A model named by the hub is in the cache, or the hub answers."""
    model = cfg.model.get("base") or cfg.model
    name = model.get("name")
    if name is None or Path(name).exists():
        return None
    try:
        validate_repo_id(name)
    except HFValidationError:
        return (
            f"model.name={name}: no such folder, and nothing on the hub can be called so; give a folder or owner/model."
        )
    cached = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=model.get("revision"))
    if isinstance(cached, str) or _hub_answers():
        return None
    return (
        f"model.name={name}: no such folder, not in the cache, and {constants.ENDPOINT} does not answer; fetch it "
        f"where there is a network (`hf download {name}`) and give the folder, or choose model=tiny."
    )


def _hub_answers() -> bool:
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_TIMEOUT_S)
    except Exception:  # whatever the HTTP library raises: there is no answer
        return False
    return True
