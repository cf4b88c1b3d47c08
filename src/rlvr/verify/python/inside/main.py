"""What a process of the sandbox does from its start: it sets the limits, then takes the part it was started for."""

import json
import os
import sys
from typing import Any

from rlvr.verify.python.inside.guard import c_library, die_with_parent, drop_privileges, filter_calls, limit
from rlvr.verify.python.inside.landlock import restrict
from rlvr.verify.python.inside.player import play
from rlvr.verify.python.inside.probe import escapes
from rlvr.verify.python.inside.referee import judge
from rlvr.verify.python.inside.root import enter
from rlvr.verify.python.inside.script import INPUT


def main(settings: dict[str, Any]) -> None:
    """Read the program from the standard input, then continue without any input.

    Args:
        settings: `part`, which is `player`, `referee` or `probe`; `reads` and `writes`, the open files to the other
            process; `isolation`, the sandbox's name; `folder`, where it works; `visible`, what it may read; `seconds`
            and `memory_bytes`, its limits.
    """
    program = json.load(sys.stdin)
    said = os.fdopen(os.dup(1), "w")
    for standard in (0, 1):  # both now lead to where the standard error leads
        os.dup2(2, standard)
    sys.stdin = os.fdopen(0, closefd=False)
    protect(settings)
    if settings["part"] == "probe":
        said.write(escapes(program))
    else:
        with os.fdopen(settings["reads"], "rb") as reads, os.fdopen(settings["writes"], "wb") as writes:
            if settings["part"] == "player":
                play(program, reads, writes)
            else:
                said.write(judge(program, writes, reads))
                said.flush()  # before the pipes are closed, which fails where the other process is gone
    said.flush()


def protect(settings: dict[str, Any]) -> None:
    """Set all limits. They hold for everything that the process does afterwards.

    Raises:
        OSError: When the kernel refuses one of them, and the process was to be isolated.
    """
    libc, isolation = c_library(), settings["isolation"]
    die_with_parent(libc)
    if isolation == "unshare":
        enter(libc, settings["folder"], settings["visible"])
    if isolation == "landlock":
        path = os.path.join(settings["folder"], INPUT)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))  # the only file that is ever written
        restrict(libc, settings["visible"], path)
    limit(settings["seconds"], settings["memory_bytes"])
    try:
        if isolation:
            drop_privileges(libc)
        filter_calls(libc)
    except OSError:
        if isolation:
            raise
