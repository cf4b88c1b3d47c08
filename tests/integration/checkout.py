"""What a person checks out, and commands outside of it: for tests of the package as others install it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_to(folder: Path) -> Path:
    """What a build reads, so that it leaves nothing in the folder of ours."""
    for name in ("src", "configs", "packaging"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Without the paths by which these tests find the package."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, cwd=cwd, env=clean)
