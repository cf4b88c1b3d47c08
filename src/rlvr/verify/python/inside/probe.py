"""Tries what a sandbox must not allow, before the sandbox is trusted."""

import os
from collections.abc import Callable
from typing import Any

NOTHING = "nothing"


def escapes(program: dict[str, Any]) -> str:
    """The attempts that succeeded, in words, or NOTHING.

    Args:
        program: The `path` of a file outside, and the `port` of a listener outside.
    """
    attempts: dict[str, Callable[[], object]] = {
        "files can be read": lambda: os.open(program["path"], os.O_RDONLY),
        "files can be written": lambda: os.open(program["path"], os.O_WRONLY),
        "the network can be reached": lambda: _connect(program["port"]),
        "processes can be started": _fork,
    }
    return ", ".join(what for what, attempt in attempts.items() if _succeeds(attempt)) or NOTHING


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _connect(port: int) -> None:
    import socket  # only the probe needs it

    socket.create_connection(("127.0.0.1", port), timeout=1)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
