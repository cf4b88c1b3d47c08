"""Pages that a test follows as a reader would: their files are written, their commands run."""

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`((?:test_)?my_[\w/.]+\.\w+)`")
FILES = ("python", "yaml", "json")
COMMANDS = ("", "bash")


def files(page: str) -> dict[str, str]:
    """Blocks of code, settings and data, by the last file that the text before each names."""
    return {NAMED.findall(page[: block.start()])[-1]: block[2] for block in BLOCK.finditer(page) if block[1] in FILES}


def commands(page: str) -> list[list[str]]:
    """What starts with `python`, in words."""
    blocks = [block[2].replace("\\\n", " ") for block in BLOCK.finditer(page) if block[1] in COMMANDS]
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [words for words in lines if words[0] == "python"]


def outputs(page: str) -> list[str]:
    """What the page says that commands print."""
    return [block[2] for block in BLOCK.finditer(page) if block[1] == "text"]


def started_in(folder: Path, page: str) -> Path:
    """A folder in which the page can be followed: the repository's own, as far as commands see it."""
    for name in ("src", "configs", "docs"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(folder: Path, command: Sequence[str]) -> str:
    """What it prints; it must end well."""
    assert command[0] == "python"
    ran = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout
