"""What a sandbox must not allow, tried out before it is trusted."""

import os
import socket
from collections.abc import Callable
from typing import Any

NOTHING = "nothing"


def escapes(program: dict[str, Any]) -> str:
    """What was possible, in words, or that nothing was.

    Args:
        program: The `path` of a file outside, and the `port` of a listener outside.
    """
    attempts: dict[str, Callable[[], object]] = {
        "files can be read": lambda: open(program["path"]).read(),
        "files can be written": lambda: open(program["path"], "a").write("x"),
        "the network can be reached": lambda: socket.create_connection(("127.0.0.1", program["port"]), timeout=1),
        "processes can be started": _fork,
    }
    return ", ".join(what for what, attempt in attempts.items() if _succeeds(attempt)) or NOTHING


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
