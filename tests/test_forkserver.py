"""The fork server's children against interpreters that were started for real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forkserver
import pytest

SCRIPT = """
import json, os, sys, signal, __main__
print(json.dumps({
    "argv": sys.argv, "name": __name__, "file": __main__.__file__, "path": sys.path[0], "cwd": os.getcwd(),
    "set": os.environ.get("SET"), "parent": os.getppid(),
    "leader": os.getsid(0) == os.getpid(), "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "in": sys.stdin.read(), "fds": len(os.listdir("/proc/self/fd")), "main": sys.modules["__main__"].__spec__ is None,
}))
print("on the other", file=sys.stderr)
"""
ENDS = {
    "well": "print('done')",
    "with a code": "import sys; print('so'); sys.exit(75)",
    "with a sentence": "import sys; sys.exit('no')",
    "with an error": "raise ValueError('bad')",
    "interrupted": "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)",
    "killed": "import os; print('lost'); os.kill(os.getpid(), 9)",
    "with what it left to do": "import atexit, threading, time\natexit.register(print, 'left')\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()",
    "after a process of its own": "import multiprocessing as m\nif __name__ == '__main__':\n"
    "    with m.get_context('spawn').Pool(1) as pool: print(pool.map(abs, [-3]))",
}


def both(command: list[str], **settings) -> list[subprocess.CompletedProcess[str]]:
    real = subprocess.run(command, capture_output=True, text=True, timeout=60, **settings)
    return [real, forkserver.run(command, timeout=60, **settings)]


def test_a_child_is_what_an_interpreter_is(tmp_path: Path):
    """Arguments, `__main__`, folder, environment, session, handlers, open files and the one that waits for it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    settings = {"cwd": tmp_path, "env": os.environ | {"SET": "x"}, "start_new_session": True}
    settings["stdin"] = subprocess.DEVNULL
    real, forked = both([sys.executable, "script.py", "a=1", "b c"], **settings)
    assert forked.stdout == real.stdout != ""
    assert (forked.stderr, forked.returncode) == (real.stderr, real.returncode) == ("on the other\n", 0)


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_as_an_interpreter_ends(tmp_path: Path, end: str):
    """Exit code or signal, what was said, and the last line of a traceback."""
    (tmp_path / "script.py").write_text(ENDS[end])
    real, forked = both([sys.executable, str(tmp_path / "script.py")])
    assert (forked.returncode, forked.stdout) == (real.returncode, real.stdout)
    assert forked.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_it_can_be_waited_for_and_killed_with_its_children(tmp_path: Path):
    """As the leader of a session of its own."""
    (tmp_path / "script.py").write_text(
        "import subprocess, sys, time\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\ntime.sleep(60)"
    )
    process = forkserver.start(
        [sys.executable, str(tmp_path / "script.py")], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    child = int(process.stdout.readline())
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    process.stdout.close()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and "\nState:\tZ" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_modules_run_too():
    """As torch's launcher is."""
    real, forked = both([sys.executable, "-m", "json.tool", "--help"])
    assert forked.stdout == real.stdout != ""


def test_numbers_drawn_by_chance_differ(tmp_path: Path):
    """A child has its own, whatever the server drew."""
    (tmp_path / "script.py").write_text("import random, numpy; print(random.random(), numpy.random.random())")
    said = [forkserver.run([sys.executable, str(tmp_path / "script.py")]).stdout.split() for _ in range(2)]
    assert len({number for line in said for number in line}) == 4


def test_what_is_read_while_importing_is_started_for_real():
    """The server has imported with other settings."""
    assert forkserver.as_imported(None)
    assert forkserver.as_imported(os.environ | {"WANDB_MODE": "offline"})
    assert not forkserver.as_imported(os.environ | {"HF_HUB_OFFLINE": "1"})
