"""Follows docs/adding_a_method.md: writes its files, runs its commands, and compares with what ships."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding_a_method.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(my_methods/[\w/.]+)`")
SMALL = ["model.steps=700", "data.train_size=64", "data.heldout_size=16"]


def files() -> dict[str, str]:
    """Each block with a language, by the last file that the text before it names."""
    found = {}
    for block in BLOCK.finditer(PAGE):
        if block[1]:
            found[NAMED.findall(PAGE[: block.start()])[-1]] = block[2]
    return found


def commands() -> list[list[str]]:
    """The blocks without a language."""
    return [shlex.split(line) for block in BLOCK.finditer(PAGE) if not block[1] for line in block[2].splitlines()]


def run(folder: Path, command: list[str]) -> str:
    assert command[0] == "python"
    ran = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.mark.full
def test_the_page(cache_dir: Path, tmp_path: Path):
    """Its golden test passes, its profile is GRPO's, and its run ends where `algo=cispo` does, to the bit."""
    for name in ("src", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, text in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    test, profile, train = commands()
    assert "1 passed" in run(tmp_path, test)
    assert "1.41" in run(tmp_path, [*profile, "hydra.run.dir=profile"])
    small = [*SMALL, f"paths.cache_dir={cache_dir}"]
    run(tmp_path, [*train, *small, "hydra.run.dir=mine"])
    shipped = [word.replace("my_cispo", "cispo") for word in train if "my_methods" not in word and word[:2] != "--"]
    run(tmp_path, [*shipped, *small, "hydra.run.dir=shipped"])
    mine, theirs = ((tmp_path / run / "policy" / "model.safetensors").read_bytes() for run in ("mine", "shipped"))
    assert mine == theirs
    (copy,) = (tmp_path / "mine" / "plugins").iterdir()
    assert copy.read_text() == files()["my_methods/surrogates.py"]
    assert f"_target_: {copy.stem}.cispo" in (tmp_path / "mine" / "config.yaml").read_text()
    assert not (tmp_path / "shipped" / "plugins").exists()
