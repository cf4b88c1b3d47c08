"""Gives a process that `unshare` has put into namespaces of its own a file system of its own, as bubblewrap does."""

import ctypes
import os
import struct

from rlvr.verify.python.inside.guard import checked

NO_SETUID, NO_DEVICES, BIND, RECURSIVE = 2, 4, 4096, 16384
READ_ONLY = 1
DETACH = 2
MOUNT_SETATTR, WHOLE_TREE = 442, 0x8000  # the number of a call that older C libraries have no name for
SIZE = "size=16m,nr_inodes=1024,mode=755"


def enter(libc: ctypes.CDLL, base: str, visible: list[str]) -> None:
    """Make an empty file system the root, with only some folders and files of the machine, which are read-only.

    Args:
        libc: The C library.
        base: Any folder; the file system is put together over it.
        visible: Paths of the machine that can be seen, as the same paths.

    Raises:
        OSError: When the kernel refuses any of it.
    """
    checked(libc.mount(b"none", base.encode(), b"tmpfs", NO_SETUID | NO_DEVICES, SIZE.encode()), "mount")
    for path in visible:
        _show(libc, path, base + path)
    os.makedirs(f"{base}/work")
    os.chdir(base)
    checked(libc.pivot_root(b".", b"."), "pivot_root")
    checked(libc.umount2(b".", DETACH), "umount2")
    os.chdir("/work")


def _show(libc: ctypes.CDLL, path: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        open(target, "x").close()
    checked(libc.mount(path.encode(), target.encode(), None, BIND | RECURSIVE, None), "mount")
    attributes = struct.pack("=QQQQ", READ_ONLY | NO_SETUID | NO_DEVICES, 0, 0, 0)
    here = -100  # AT_FDCWD; the path is absolute
    numbers = (ctypes.c_long(number) for number in (MOUNT_SETATTR, here))
    done = libc.syscall(
        *numbers, target.encode(), ctypes.c_long(WHOLE_TREE), attributes, ctypes.c_long(len(attributes))
    )
    checked(done, "mount_setattr")
