"""Starts Python processes without network, files and environment, with the means of isolation that this machine has."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from rlvr.verify.python.inside.probe import NOTHING

Part = Literal["player", "referee", "probe"]
# In the order in which they import from each other.
MODULES = ("plain", "guard", "root", "landlock", "player", "script", "referee", "probe", "main")
# Makes modules under their full names, since the package itself can't be seen inside.
BOOT = """
import json, sys, types
for name, text in json.loads(sys.argv[1]):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), vars(module))
module.main(json.loads(sys.argv[2]))
"""
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
PROBE_S, PROBE_BYTES = 20, 2**29


@dataclass(frozen=True)
class Sandbox:
    """A way of isolating a process.

    Attributes:
        name: The program that isolates, or `landlock`, which the process itself uses; empty: nothing isolates.
    """

    name: Literal["unshare", "bwrap", "landlock", ""]

    def start(
        self,
        part: Part,
        program: Mapping[str, Any],
        limits: Mapping[str, int],
        folder: str,
        files: Sequence[int] = (),
        **streams: Any,
    ) -> "subprocess.Popen[bytes]":
        """Start a process.

        Args:
            part: The part that the process takes.
            program: Texts that it gets.
            limits: Its limits of processor time and memory.
            folder: An empty folder. The process works in it, or its own file system is mounted over it.
            files: File descriptors: the one that it reads from, then the one that it writes to.
            streams: Destinations of standard output and error; without them both are discarded.

        Raises:
            OSError: When the machine has no room for another process.
        """
        settings: dict[str, Any] = {
            "part": part,
            "isolation": self.name,
            "folder": folder,
            "visible": visible(),
            **limits,
        }
        settings |= dict(zip(("reads", "writes"), files, strict=False))
        python = [os.path.realpath(sys.executable), "-I", "-S", "-c", BOOT, _modules(), json.dumps(settings)]
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps(program).encode())
            given.seek(0)
            return subprocess.Popen(
                [*_prefix(self.name), *python],
                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams},
                stdin=given,
                cwd=folder,
                env={},
                pass_fds=files,
                start_new_session=True,
            )


@cache
def _prefix(name: str) -> list[str]:
    """The command that isolates the one behind it. It ends together with the process that started it."""
    if name == "bwrap":
        shown = [option for path in visible() for option in _shown(path)]
        own = ["--size", str(16 * 2**20), "--tmpfs", "/work", "--chdir", "/work", "--remount-ro", "/"]
        return [_program("bwrap"), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *shown, *own]
    if name == "unshare":
        spaces = ["--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
        return [_program("setpriv"), "--pdeathsig", "KILL", _program("unshare"), *spaces]
    return []


def _shown(path: str) -> list[str]:
    return ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


@cache
def visible() -> list[str]:
    """The paths that Python needs: itself, its library, and the machine's shared libraries."""
    own = [f"{sys.base_prefix}/lib", sysconfig.get_path("stdlib")]
    # Python is started by its real path, and looks for its library beside that.
    wanted = [*LIBRARIES, *own, *map(os.path.realpath, [*own, sys.executable])]
    there = [path for path in dict.fromkeys(wanted) if os.path.lexists(path)]
    inside = {path for path in there for other in there if path.startswith(f"{other}/")}
    return [path for path in there if path not in inside]


@cache
def _modules() -> str:
    room = "rlvr.verify.python.inside"
    folder = Path(__file__).parent / "inside"
    return json.dumps([(f"{room}.{name}", (folder / f"{name}.py").read_text()) for name in MODULES])


@cache
def find() -> tuple[Sandbox, str]:
    """The first sandbox that a probe can't escape on this machine, and what is wrong with those tried before it."""
    faults: list[str] = []
    # Bubblewrap limits the size of the folder that it makes, but not the number of files, and each file takes kernel
    # memory. With Landlock alone no file can be made, but the code can find out which files there are.
    for sandbox in (Sandbox("unshare"), Sandbox("bwrap"), Sandbox("landlock")):
        fault = weakness(sandbox)
        if fault is None:
            return sandbox, "; ".join(faults)
        faults.append(fault if fault.startswith(sandbox.name) else f"{sandbox.name}: {fault}")
    return Sandbox(""), "; ".join(faults)


def refusal(key: str, allow_unisolated: bool) -> str | None:
    """One sentence on why this machine can't isolate, for a verifier at this key; None if it can, or need not."""
    if sys.platform != "linux":
        return f"{key}: verifier=python limits and isolates by means that Linux has; this is {sys.platform}."
    sandbox, faults = find()
    if sandbox.name or allow_unisolated:
        return None
    return (
        f"{key}: this machine can't isolate the code that a policy writes ({faults}); let it make "
        f"namespaces, or take Linux 6.2 or later, or set {key}.allow_unisolated=true, where nothing needs protection."
    )


def weakness(sandbox: Sandbox) -> str | None:
    """What is wrong with a sandbox on this machine, in a few words; None if nothing is."""
    limits = {"seconds": PROBE_S, "memory_bytes": PROBE_BYTES}
    with (
        tempfile.NamedTemporaryFile() as outside,
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        program = {"path": outside.name, "port": listener.getsockname()[1]}
        try:
            process = sandbox.start("probe", program, limits, folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            return str(error)
        try:
            said, complaints = process.communicate(timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"no answer in {PROBE_S} seconds"
    if process.returncode:
        return (complaints.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"])[-1]
    found = said.decode(errors="replace")
    return None if found == NOTHING else found or "it said nothing"
