"""Attacks on the verdict, and out of the sandbox, in every way of isolating that this machine has."""

import ctypes
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlvr.types import Status
from rlvr.verify.python.sandbox import Sandbox, weakness
from rlvr.verify.python.trial import Trials
from tests.verify.attacks import AIMED, FORGED, RIGHT, TASK, naive, reaching_out

OUTWARDS = reaching_out(Path("secret"), Path("target"), 0, 0, 0)


@pytest.fixture(scope="module", params=["bwrap", "unshare"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    made = Sandbox(request.param)
    if fault := weakness(made):
        pytest.skip(f"this machine can't isolate by {request.param} ({fault})")
    return made


def status(sandbox: Sandbox, code: str, timeout_s: float = 20.0, memory_gib: float = 1.0) -> Status:
    ((said, _),) = Trials(sandbox, 1, timeout_s, memory_gib).ask([(TASK, code)])
    return said


@pytest.fixture(scope="module")
def outward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Attacks on a file, a listener, and this process."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("42")
    held = ctypes.create_string_buffer(b"42")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port, address = listener.getsockname()[1], ctypes.addressof(held)
        yield reaching_out(folder / "secret", folder / "target", port, os.getpid(), address)
    assert not (folder / "target").exists()


@pytest.mark.parametrize("name", FORGED)
def test_a_verdict_cannot_be_forged(name: str):
    """Each of these is right for a harness that runs the code beside the tests; no isolation is needed against them."""
    assert naive(FORGED[name])
    assert status(Sandbox(""), FORGED[name]) == "wrong"


@pytest.mark.parametrize("name", AIMED)
def test_nor_by_who_knows_this_harness(name: str):
    assert status(Sandbox(""), AIMED[name]) == "wrong"


@pytest.mark.parametrize("name", OUTWARDS)
def test_nothing_outside_is_reached(sandbox: Sandbox, outward: dict[str, str], name: str):
    """What returns right sums only where it got out; without any isolation each of them does."""
    if not naive(outward[name]):
        pytest.skip("this machine's own rules are against it already")
    assert status(sandbox, outward[name]) == "wrong"


def test_honest_code_is_right(sandbox: Sandbox):
    assert status(sandbox, RIGHT) == "right"


def test_nothing_is_handed_in(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """No variable of the environment, no open file but the pipes and nowhere, an empty folder that can be written."""
    monkeypatch.setenv("RLVR_SECRET", "42")
    code = f"""
import os, resource
files = []
for file in range(300):
    try:
        os.fstat(file)
        files.append(file)
    except OSError:
        pass
assert "RLVR_SECRET" not in os.environ and "PATH" not in os.environ
assert os.listdir(".") == []
assert len(files) == 6, files
assert os.read(0, 1) == b""
assert not {{"etc", "home", "root", "proc", "sys", "tmp"}} & (set(os.listdir("/")) - {{"etc", "root", "home"}})
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
open("note", "w").write("x")
{RIGHT}"""
    with open(__file__) as _:
        assert status(sandbox, code) == "right"


BOMBS = {
    "a fork bomb": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    "a bomb of threads": (
        "import threading, time\nwhile True:\n    try:\n        threading.Thread(target=time.sleep, args=(99,)).start()\n"
        "    except RuntimeError:\n        pass"
    ),
    "endless output": "import os\nwhile True:\n    print('x' * 10**6)\n    os.write(2, b'x' * 10**6)",
    "endless replies": "import os\nwhile True:\n    for file in range(64):\n        try:\n            os.write(file, b'x' * 10**6)\n"
    "        except OSError:\n            pass",
    "waits without end, deaf to signals": (
        "import ctypes, os, signal, time\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\ntry:\n    os.setsid()\n"
        "except OSError:\n    pass\nwhile True:\n    time.sleep(99)"
    ),
    "fills its folder": (
        "import itertools, os\nfor number in itertools.count():\n    try:\n        with open(f'{number % 5000}', 'wb') as file:\n"
        "            file.write(b'x' * 2**26)\n    except OSError:\n        pass"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_their_own_time_only(sandbox: Sandbox, name: str):
    """One second and a little, and no process is left."""
    before, free = processes(), available_gib()
    started = time.monotonic()
    said = status(sandbox, BOMBS[name], timeout_s=1.0)
    assert time.monotonic() - started < 10
    assert said == ("wrong" if name == "endless replies" else "timeout")
    assert available_gib() > free - 0.5
    deadline = time.monotonic() + 5
    while processes() - before and time.monotonic() < deadline:  # a killed one takes a moment to go
        time.sleep(0.05)
    assert processes() - before == set()


@pytest.mark.parametrize(
    "code",
    [
        "x = [0] * 2**29",
        "x = b''\nwhile True:\n    x += b'x' * 2**24",
        "import mmap\nkept = [mmap.mmap(-1, 2**28) for _ in range(99)]",
        "import os\nos.memfd_create('x')",
    ],
)
def test_memory_has_an_end(sandbox: Sandbox, code: str):
    assert status(sandbox, f"{code}\n{RIGHT}", memory_gib=0.25) == "wrong"


def test_a_verifier_that_is_killed_leaves_nothing(sandbox: Sandbox, tmp_path: Path):
    """Code that sleeps for ever goes with the process that started it."""
    import signal
    import subprocess
    import sys

    before = processes()
    text = (
        "import sys; from rlvr.verify.python.sandbox import Sandbox; from rlvr.verify.python.trial import Trials; "
        f"Trials(Sandbox({sandbox.name!r}), 1, 60.0, 1.0).ask([({TASK!r}, sys.argv[1])])"
    )
    killed = subprocess.Popen([sys.executable, "-c", text, BOMBS["waits without end, deaf to signals"]])
    deadline = time.monotonic() + 30
    while len(inside(processes() - before)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # it has become deaf
    assert len(inside(processes() - before)) >= 2
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    deadline = time.monotonic() + 5
    while inside(processes() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert inside(processes() - before) == set()


def processes() -> set[int]:
    return {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}


def inside(pids: set[int]) -> set[int]:
    """Those that run what is inside a sandbox."""
    found = set()
    for pid in pids:
        try:
            if b"rlvr.verify.python.inside" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
        except OSError:
            pass
    return found


def available_gib() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 2**20
