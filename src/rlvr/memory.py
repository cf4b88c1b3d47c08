"""How a training process on a CPU holds its memory."""

import ctypes
import os
import platform
from pathlib import Path

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX = -1, -4


def ask_for_large_pages() -> None:
    """Let torch lay large tensors on large pages of memory; counts only before torch is imported."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def keep_freed_memory() -> None:
    """Let the C library keep what is freed from now on.

    A step frees large tensors that the next one makes again. glibc gives them back to the system and gets them anew,
    zeroed page by page. Not while a policy is loaded, which frees much that nobody makes again; and beside a GPU, where
    steps hold nothing large on the host, it stays as it is.
    """
    if platform.libc_ver()[0] != "glibc" or Path("/dev/nvidiactl").exists():
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, -1)
