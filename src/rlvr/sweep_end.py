"""A Hydra callback that imports and calls another one only when a sweep is over, and not at every start."""

from importlib import import_module
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class SweepEnd(Callback):
    """Calls another callback's `on_multirun_end`.

    Hydra makes all callbacks before anything else, and what the others import takes seconds, for which a refused
    setting should not have to wait.

    Args:
        callback: The other one's class.
    """

    def __init__(self, callback: str) -> None:
        self._callback = callback

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        module, _, name = self._callback.rpartition(".")
        getattr(import_module(module), name)().on_multirun_end(config, **kwargs)
