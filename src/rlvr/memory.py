"""How a process holds its memory."""

import ctypes
import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def ask_for_large_pages() -> None:
    """Let torch lay large tensors on large pages of memory; counts only before torch is imported."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def keep_freed_memory() -> None:
    """Let the C library keep what is freed from now on.

    A step frees large tensors that the next one makes again. glibc gives them back to the system and gets them anew,
    zeroed page by page. Do not call this while a policy is loaded: loading frees much that is never made again.
    With a GPU nothing is changed, since steps then hold nothing large on the host.
    """
    if platform.libc_ver()[0] != "glibc" or Path("/dev/nvidiactl").exists():
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, -1)


@contextmanager
def for_good() -> Iterator[None]:
    """Modules imported inside are left alone by the garbage collector: they live as long as the process.

    Torch, transformers and Lightning make so many objects that the collector would visit them all many times during the
    import, and again at the process's end: a quarter of what a start costs.
    """
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if len(sys.modules) > before:  # else a second job in this process would keep what the first one left
            gc.freeze()
