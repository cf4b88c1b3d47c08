"""Files that are whole or not there."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def write_whole(path: Path, content: str | bytes) -> None:
    """Write aside and rename, so that neither a crash nor another rank writing the same file leaves half of it."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """The same for what is written piece by piece: the file is there once the block has ended without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(aside, 0o644)  # mkstemp's are for the owner only
        os.replace(aside, path)
    except BaseException:  # on a full disk, half a file would keep the disk full
        os.unlink(aside)
        raise


def make_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder aside and rename it, unless it is there. Of several processes one does so, and the others wait.

    Where the file system has no locks each of them fills one, and the first stays.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f".{folder.name}.lock"):
        if not folder.exists():
            _fill(folder, fill)


def _fill(folder: Path, fill: Callable[[Path], None]) -> None:
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        fill(aside)
        aside.chmod(0o755)
        aside.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process that holds it, and its file stays."""
    with path.open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def share_file(path: Path, target: Path) -> None:
    """Put a file that nobody changes in a second place: the same bytes on disk where that works, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, target)
