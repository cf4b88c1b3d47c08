"""The commands, a module for each. They are installed as `rlvr-train` and so on; in a checkout it is `src/train.py`."""

from pathlib import Path

CONFIGS = str(Path(__file__).parents[1] / "configs")
"""The folder of the shipped configs: in a checkout a link to `configs/` at its top."""
