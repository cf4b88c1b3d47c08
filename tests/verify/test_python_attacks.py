"""Attacks on the verdict, and out of the sandbox, in every way of isolating that this machine has."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rlvr.types import Status
from rlvr.verify.python.sandbox import Sandbox, find, weakness
from rlvr.verify.python.trial import Trials
from tests.verify.attacks import AIMED, BOMBS, FORGED, RIGHT, TASK, naive, reaching_out

FULL = pytest.mark.full
OUTWARDS = reaching_out(Path("secret"), Path("target"), Path("mailbox"), 0, 0, 0)


@pytest.fixture(
    scope="module",
    params=[
        "",
        pytest.param("bwrap", marks=FULL),
        pytest.param("unshare", marks=FULL),
        pytest.param("landlock", marks=FULL),
    ],
)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """What a run would take, and then each by its name."""
    made = Sandbox(request.param) if request.param else find()[0]
    if fault := weakness(made):
        pytest.skip(f"this machine can't isolate by {made.name or 'anything'} ({fault})")
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
    box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with box, socket.create_server(("127.0.0.1", 0), backlog=64) as listener, tempfile.TemporaryDirectory() as short:
        box.bind(f"{short}/mailbox")
        port, address = listener.getsockname()[1], ctypes.addressof(held)
        paths = (folder / "secret", folder / "target", Path(short) / "mailbox")
        yield reaching_out(*paths, port, os.getpid(), address)
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
    """No variable of the environment, no open file but the pipes and nowhere, a folder with nothing in it."""
    monkeypatch.setenv("RLVR_SECRET", "42")
    code = f"""
import os
files = []
for file in range(300):
    try:
        os.fstat(file)
        files.append(file)
    except OSError:
        pass
assert "RLVR_SECRET" not in os.environ and "PATH" not in os.environ
assert os.listdir(".") in ([], ["input"])
assert len(files) == 6, files
assert os.read(0, 1) == b""
open("input", "w").write("x")
{RIGHT}"""
    with open(__file__) as _:
        assert status(sandbox, code) == "right"


@pytest.mark.parametrize("name", [next(iter(BOMBS)), *(pytest.param(name, marks=FULL) for name in list(BOMBS)[1:])])
def test_bombs_cost_their_own_time_only(sandbox: Sandbox, folders: str, name: str):
    """One second and a little, and no process is left."""
    started = time.monotonic()
    said = status(sandbox, BOMBS[name], timeout_s=1.0)
    assert time.monotonic() - started < 10
    assert said == ("wrong" if name == "endless replies" else "timeout")
    wait_until(lambda: processes(folders) == [])


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


def test_the_number_of_files_has_an_end(sandbox: Sandbox):
    if sandbox.name == "bwrap":
        pytest.skip("bubblewrap has no such limit, and so is taken where nothing else holds")
    code = f"for number in range(2000):\n    open(str(number), 'w').close()\n{RIGHT}"
    assert status(sandbox, code) == "wrong"
    if sandbox.name != "landlock":  # which lets none be made
        assert status(sandbox, code.replace("2000", "500")) == "right"


@pytest.mark.full
def test_a_verifier_that_is_killed_leaves_nothing(sandbox: Sandbox, folders: str, tmp_path: Path):
    """Code that sleeps for ever goes with the process that started it."""
    deaf = BOMBS["waits without end, deaf to signals"]
    text = (
        "import sys; from rlvr.verify.python.sandbox import Sandbox; from rlvr.verify.python.trial import Trials; "
        f"Trials(Sandbox({sandbox.name!r}), 1, 60.0, 1.0).ask([({TASK!r}, sys.argv[1])])"
    )
    run = subprocess.Popen([sys.executable, "-c", text, deaf], env={**os.environ, "TMPDIR": folders})
    try:
        wait_until(lambda: len(processes(folders)) >= 2)
        time.sleep(1.0)  # it has become deaf
        assert len(processes(folders)) >= 2
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    wait_until(lambda: processes(folders) == [])


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the sandboxes' folders are made, by which their processes are known."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return str(tmp_path)


def processes(folders: str) -> list[Path]:
    """Those of a sandbox that works in one of these folders."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if "rlvr.verify.python.inside" in command and folders in command:
            found.append(folder)
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
