"""Starts the entry scripts as a user would, without waiting each time for torch, transformers and lightning.

A server process imports them once. For every command it forks a child that runs the script as `python SCRIPT ...`
does: as `__main__`, with its own arguments, folder, environment, standard streams, session and signal handlers, and it
ends as an interpreter ends. The child is then handed over to the process that asked for it, which waits for it, reads
it and kills it like any other `subprocess.Popen`.

What differs from a real start: imports (the server's are there), and the order of sets of texts, which is the same in
all children of a server. Tests that compare two processes to the bit therefore start one of them for real.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

LARGEST = 1 << 20  # bytes of a request: a command and an environment
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
# Read while modules are imported, so a child whose values differ from the server's is started for real.
IMPORTED_WITH = ("HF_", "PYTHON", "OMP_", "MKL_", "OPENBLAS_")
BUILD = ("rlvr.build.run", "rlvr.build.planning", "rlvr.build.evaluation", "rlvr.checkpoint.callback", "rlvr.report")
PLAIN = (*BUILD, "rlvr.sweep", "rlvr.strategy.deepspeed", "peft", "deepspeed", "pydantic")
KINDS = {"plain": PLAIN, "vllm": (*PLAIN, "rlvr.rollout.vllm")}
MODELS = [f"transformers.models.{name}.modeling_{name}" for name in ("qwen2", "qwen3", "llama")]


class Server:
    """One server process, and the socket over which it is asked.

    Args:
        kind: A key of `KINDS`: what it has imported.
    """

    def __init__(self, kind: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
            command = [sys.executable, __file__, str(theirs.fileno()), kind]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # no terminal: the children's streams are buffered as in a pipe
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        self._socket = ours
        assert (ready := ours.recv(LARGEST).decode()) == "ready", ready
        atexit.register(self.close)

    def fork(self, request: dict[str, Any], streams: list[int]) -> int:
        """The process id of a new child of this process, which runs what is asked for."""
        with adopting():
            socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
            answer = self._socket.recv(LARGEST).decode()
        assert answer.isdigit(), answer or "the fork server has ended"
        return int(answer)

    def close(self) -> None:
        """End it; its children live on."""
        self._socket.close()
        self._process.wait()


@functools.cache
def server(kind: str) -> Server:
    """The one of this test process, started when it is first needed."""
    return Server(kind)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Orphans of the processes below become children of this process, not of init."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        prctl(SUBREAPER, 0, 0, 0, 0)


class Forked(subprocess.Popen):
    """`subprocess.Popen` of a command `[sys.executable, script, ...]` or `[sys.executable, "-m", module, ...]`.

    Args:
        args: The command.
        kind: Of the server; None: the one that has imported vLLM where the command's settings want it.
        settings: `subprocess.Popen`'s.
    """

    def __init__(self, args: list[str], kind: str | None = None, **settings: Any) -> None:
        wanted = any(word.startswith("rollout=vllm") for word in args)
        self._kind = kind or ("vllm" if wanted else "plain")
        super().__init__(args, **settings)

    def _execute_child(self, args: Any, *given: Any) -> None:
        # As CPython 3.11 to 3.14 pass them.
        (_, preexec_fn, _, pass_fds, cwd, env, _, _, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite) = (
            given[:15]
        )
        start_new_session = given[20]
        assert not any((preexec_fn, pass_fds, shell)), "the fork server knows nothing of these"
        python, *command = map(os.fspath, args)
        assert python == sys.executable
        environment = dict(os.environ if env is None else env)
        request = {
            "command": command,
            "cwd": os.getcwd() if cwd is None else os.fspath(cwd),
            "environment": environment,
            "session": start_new_session,
        }
        devnull = os.open(os.devnull, os.O_RDWR)
        try:
            streams = [devnull if p2cread == -1 else p2cread]
            streams += [1 if c2pwrite == -1 else c2pwrite, 2 if errwrite == -1 else errwrite]
            self.pid = server(self._kind).fork(request, streams)
        finally:
            os.close(devnull)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def as_imported(environment: dict[str, str] | None) -> bool:
    """Whether a child with this environment imports what the server has imported."""
    now = dict(os.environ)
    names = {name for name in {*now, *(environment or now)} if name.startswith(IMPORTED_WITH)}
    return environment is None or all(now.get(name) == environment.get(name) for name in names)


def start(command: list[str], **settings: Any) -> subprocess.Popen:
    """As `subprocess.Popen`, forked where that is the same."""
    return (Forked if as_imported(settings.get("env")) else subprocess.Popen)(command, **settings)


def run(command: list[str], timeout: float | None = None, **settings: Any) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run(..., capture_output=True, text=True)`, forked where that is the same."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with start(command, **streams, **settings) as process:
        try:
            said, wrong = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, wrong)


def run_ranks(command: list[str], ranks: int, kind: str, timeout: float) -> None:
    """Run a command once a rank, each told of the others as by torchrun on one machine; all must end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": "0"}
    common |= {name: str(ranks) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "ROLE_WORLD_SIZE")}
    processes: list[Forked] = []
    deadline = time.monotonic() + timeout
    with contextlib.ExitStack() as files:
        # A pipe that nobody reads would stop the rank that fills it.
        said = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(ranks)]
        try:
            for rank, file in enumerate(said):
                own = {name: str(rank) for name in ("RANK", "LOCAL_RANK", "ROLE_RANK")}
                streams = {"stdout": file, "stderr": subprocess.STDOUT}
                settings = {"env": os.environ | common | own, "start_new_session": True}
                processes.append(Forked(command, kind=kind, **streams, **settings))
            while any(process.poll() is None for process in processes):
                assert time.monotonic() < deadline, "the ranks take too long"
                if any(process.poll() for process in processes):
                    break  # one has failed, and the others would wait for it
                time.sleep(0.02)
        finally:
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        for file in said:
            file.seek(0)
        texts = [file.read()[-4000:] for file in said]
    assert not any(process.returncode for process in processes), "\n".join(texts)


# --- in the server ------------------------------------------------------------------------------------------------


def serve(asked: socket.socket, kind: str) -> dict[str, Any]:
    """Fork for every request; returns in the children only, with their request. Ends with the one that asks."""
    try:
        for module in [*KINDS[kind], *MODELS]:
            importlib.import_module(module)
    except ImportError:
        asked.send(traceback.format_exc().encode()[-LARGEST // 2 :])
        sys.exit(1)
    asked.send(b"ready")
    gc.freeze()  # the children don't copy what was imported by looking at it
    while True:
        message, fds, _, _ = socket.recv_fds(asked, LARGEST, 3)
        if not message:
            os._exit(0)
        (told, tell), (wait, go) = os.pipe(), os.pipe()
        between = os.fork()
        if between == 0:
            child = os.fork()
            if child:
                os.write(tell, str(child).encode())
                os._exit(0)
            os.read(wait, 1)
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
            for fd in (*fds, told, tell, wait, go, asked.detach()):
                os.close(fd)
            return json.loads(message)
        os.waitpid(between, 0)  # from here on the child is the asking process's
        os.write(go, b"!")
        asked.send(os.read(told, 20))
        for fd in (*fds, told, tell, wait, go):
            os.close(fd)


def become(request: dict[str, Any]) -> None:
    """Run a command as an interpreter that was started with it."""
    if request["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    numpy.random.seed()  # every process's own; those of Python's `random` are made anew by the fork
    script, *arguments = request["command"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if script == "-m":
        sys.argv = arguments
        sys.path[0] = request["cwd"]
        runpy._run_module_as_main(arguments[0])
    else:
        sys.argv = [script, *arguments]
        sys.path[0] = str(Path(script).parent.absolute())
        main.__dict__.update(__file__=os.path.abspath(script), __builtins__=__builtins__, __spec__=None)
        exec(compile(Path(script).read_bytes(), script, "exec"), main.__dict__)


if __name__ == "__main__":
    become(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2]))
