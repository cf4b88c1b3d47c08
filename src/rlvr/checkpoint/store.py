"""Checkpoints on disk: a folder is whole and unchanged, or it does not count as a checkpoint."""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rlvr.files import write_whole

MANIFEST = "manifest.json"
MODEL = "model"  # in a checkpoint: config and tokenizer, so that it can be made a Hugging Face folder by itself


@dataclass(frozen=True)
class CheckpointStore:
    """The checkpoints of one run: `step-N` once sealed, `.step-N` while being written.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    def path(self, step: int) -> Path:
        """Where the sealed checkpoint of this optimizer step lies."""
        return self.folder / f"step-{step}"

    def aside(self, step: int) -> Path:
        """Where it is written; the same on every rank."""
        return self.folder / f".step-{step}"

    def steps(self) -> list[int]:
        """Steps with a checkpoint, the newest first."""
        names = [path.name.removeprefix("step-") for path in self.folder.glob("step-*")]
        return sorted((int(name) for name in names if name.isdigit()), reverse=True)

    def seal(self, step: int) -> Path:
        """Make a checkpoint of what was written aside: add checksums, flush everything to the disk, then rename it."""
        aside, final = self.aside(step), self.path(step)
        with ThreadPoolExecutor() as pool:  # hashing releases the interpreter's lock
            files = _files(aside)
            digests = dict(zip(map(str, files), pool.map(lambda name: _digest(aside / name), files), strict=True))
        sizes = {name: (aside / name).stat().st_size for name in digests}
        manifest = {name: {"bytes": sizes[name], "sha256": digest} for name, digest in digests.items()}
        write_whole(aside / MANIFEST, json.dumps(manifest, indent=1))
        for path in (aside / MANIFEST, *(aside / name for name in digests), *_folders(aside)):
            _to_disk(path)
        if final.exists():  # an earlier checkpoint of this step, when a run has gone on from an older one
            _remove(final)
        aside.rename(final)
        _to_disk(self.folder)
        return final

    def keep(self, count: int) -> None:
        """Remove all but the newest `count`."""
        for step in self.steps()[count:]:
            _remove(self.path(step))

    def clear(self) -> None:
        """Remove what a killed process was writing or removing."""
        for path in self.folder.glob(".*step-*"):
            shutil.rmtree(path, ignore_errors=True)

    def newest(self, digests: bool = True) -> tuple[Path | None, list[str]]:
        """The newest checkpoint that is sound, see `fault_of`, and a sentence for each newer one that is not."""
        faults: list[str] = []
        for step in self.steps():
            fault = fault_of(self.path(step), digests)
            if fault is None:
                return self.path(step), faults
            faults.append(fault)
        return None, faults


def fault_of(checkpoint: Path, digests: bool = True) -> str | None:
    """What is wrong with a checkpoint, in one sentence; None when every file is as it was written.

    Args:
        checkpoint: Its folder.
        digests: Read every byte and compare checksums; otherwise only sizes are compared.
    """
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text())
        wanted = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in manifest.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{checkpoint}: its {MANIFEST} can't be read ({type(error).__name__}), so it is no whole checkpoint."
    for name, (size, _) in wanted.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{path}: the file is missing."
        if path.stat().st_size != size:
            return f"{path}: has {path.stat().st_size} bytes instead of {size}, it was cut short or changed."
    if not digests:
        return None
    with ThreadPoolExecutor() as pool:
        read = pool.map(lambda name: _digest(checkpoint / name), wanted)
        for (name, (_, digest)), found in zip(wanted.items(), read, strict=True):
            if found != digest:
                return f"{checkpoint / name}: does not match its checksum, it has changed since it was written."
    return None


def bytes_of(folder: Path) -> int:
    """Size of everything in a folder."""
    return sum((folder / name).stat().st_size for name in _files(folder))


def _remove(checkpoint: Path) -> None:
    """Rename it first, so that a half removed checkpoint is never taken for a damaged one."""
    gone = checkpoint.with_name(f".gone-{checkpoint.name}")
    shutil.rmtree(gone, ignore_errors=True)
    checkpoint.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)


def _folders(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if path.is_dir())]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
