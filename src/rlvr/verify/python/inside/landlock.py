"""Limits the files that may be reached, by Landlock. This is for containers, where no namespaces may be made."""

import ctypes
import os
import struct

from rlvr.verify.python.inside.guard import NO_NEW_PRIVILEGES, checked

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
ASK_VERSION, PATH_BENEATH = 1, 1
LEAST_VERSION = 3  # earlier versions let a process truncate any file
EXECUTE, WRITE, READ, LIST, CUT = 1, 2, 4, 8, 1 << 14
EVERYTHING = (1 << 15) - 1


def restrict(libc: ctypes.CDLL, visible: list[str], written: str) -> None:
    """Let the files below some paths be read, and one file be written; no other can be opened, made, moved or removed.

    Raises:
        OSError: When the kernel has no Landlock, or an old one.
    """
    version = _call(libc, CREATE_RULESET, 0, 0, ASK_VERSION, 0)
    if version < LEAST_VERSION:
        raise OSError(f"Landlock of version {LEAST_VERSION} is needed, and the kernel has {max(version, 0)}")
    handled = ctypes.c_uint64(EVERYTHING)
    rules = _call(libc, CREATE_RULESET, ctypes.addressof(handled), ctypes.sizeof(handled), 0, 0)
    checked(min(rules, 0), "landlock_create_ruleset")
    for path in visible:
        _allow(libc, rules, path, READ | (LIST | EXECUTE if os.path.isdir(path) else EXECUTE))
    _allow(libc, rules, written, READ | WRITE | CUT)
    _allow(libc, rules, os.path.dirname(written), LIST)
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    checked(_call(libc, RESTRICT_SELF, rules, 0, 0, 0), "landlock_restrict_self")
    os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, access: int) -> None:
    place = os.open(path, os.O_PATH)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", access, place))
    checked(_call(libc, ADD_RULE, rules, PATH_BENEATH, ctypes.addressof(rule), 0), "landlock_add_rule")
    os.close(place)


def _call(libc: ctypes.CDLL, number: int, *arguments: int) -> int:
    return int(libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
