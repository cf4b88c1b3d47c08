"""Ctrl-C where no training has its own handlers yet: a word, no stack trace, and the exit that a shell expects."""

import signal
import subprocess
import sys

PROGRAM = """
import atexit, os, signal
from rlvr.console import command
atexit.register(print, "cleaned up", flush=True)
command(lambda: os.kill(os.getpid(), signal.SIGINT))
"""


def test_it_stops_in_one_word():
    """The signal's own exit status, so that a loop in a shell ends, too; what is registered for the exit still runs."""
    ended = subprocess.run(
        [sys.executable, "-c", f"import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{PROGRAM}"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == -signal.SIGINT
    assert (ended.stdout, ended.stderr) == ("Stopped.\ncleaned up\n", "")
