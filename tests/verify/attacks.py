"""Code that wins against a harness which runs it beside the tests, and must not win here.

Each is code for `TASK`; those that reach out return the right sums only where they got what they reached for.
"""

import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

TESTS = ["assert add(2, 3) == 5", "assert add(-1, 1) == 0", "assert abs(add(2, 2) - 4) < 1e-9"]
TASK = json.dumps({"tests": TESTS})
RIGHT = "def add(a, b):\n    return a + b\n"

FORGED = {
    "leaves": "import sys\nsys.exit(0)",
    "leaves when called": "import sys\ndef add(a, b):\n    sys.exit(0)",
    "leaves at once": "import os\nos._exit(0)",
    "leaves at once when called": "import os\ndef add(a, b):\n    os._exit(0)",
    "leaves at the end": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b):\n    return 7",
    "equals everything": """
class Anything:
    def __eq__(self, other): return True
    def __sub__(self, other): return 0

def add(a, b):
    return Anything()
""",
    "a number that equals everything": """
class Anything(int):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0

def add(a, b):
    return Anything(7)
""",
    "reads its caller's line": """
import inspect

def add(a, b):
    line = inspect.stack()[1].code_context[0]
    return eval(line.partition("==")[2]) if "==" in line else 4
""",
    "changes its caller": """
import sys

def add(a, b):
    names = sys._getframe(1).f_globals
    names["add"] = lambda a, b: {(-1, 1): 0, (2, 2): 4}[a, b]
    return next(c for c in sys._getframe(1).f_code.co_consts if isinstance(c, int) and c == 5)
""",
    "patches what the tests use": """
import builtins

class Anything(int):
    def __eq__(self, other): return True
    def __sub__(self, other): return self

builtins.abs = lambda value: 0

def add(a, b):
    return Anything(7)
""",
}

# Those need no naive harness: they aim at this one.
AIMED = {
    "says it is right": """
import os

def add(a, b):
    for file in range(3, 64):
        try:
            os.write(file, b"right")
        except OSError:
            pass
    return 7
""",
    "says it is right at its start": """
import os
for file in range(64):
    try:
        os.write(file, b"right\\n")
        os.write(file, b'["tuple", "value", ["int", "0x5"]]\\n' * 9)
    except OSError:
        pass
""",
    "patches its own side": """
import gc, sys
for module in list(sys.modules.values()):
    for name in dir(module):
        if name in ("dump", "_tagged", "play", "judge", "load"):
            setattr(module, name, lambda *a, **k: b"right\\n")

def add(a, b):
    return 7
""",
    "names itself after what the tests use": "def abs(x):\n    return 0\n\ndef add(a, b):\n    return 5 * (a == 2)",
    "prints what is expected": "print(5)\nprint(0)\nprint('right')\n\ndef add(a, b):\n    print(a + b)",
    "raises a failed test": "def add(a, b):\n    raise AssertionError",
    "ends the tests' loop": "def add(a, b):\n    raise StopIteration",
    "is an endless number": "def add(a, b):\n    return 1 << 2**34",
    "is an endless text": "def add(a, b):\n    return 'x' * 2**25",
    "is deep": "def add(a, b):\n    x = []\n    for _ in range(10**5):\n        x = [x]\n    return x",
    "is itself": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
    "is no Python": "def add(a, b) return a + b",
    "breaks the parser": "def add(a, b):\n    return " + "(" * 5000 + "a" + ")" * 5000,
    "has nothing by that name": "def sub(a, b):\n    return a + b",
    "is no function": "add = 5",
    "breaks the interpreter": "import ctypes\nctypes.string_at(0)",
    "goes too deep": "def add(a, b):\n    return add(a, b)",
    "NUL": "def add(a, b):\n    return '\0'",
    "half a character": "def add(a, b):\n    return '\ud800'",
}


def reaching_out(secret: Path, target: Path, mailbox: Path, port: int, pid: int, address: int) -> dict[str, str]:
    """Code that reads, writes and calls what is outside.

    Args:
        secret: A file that holds `42`.
        target: A file that is not there.
        mailbox: A socket in the file system that takes datagrams.
        port: Where somebody listens on this machine.
        pid: The process of the verifier.
        address: Where in its memory stands `42`.
    """

    def attempt(*lines: str, imports: str = "os") -> str:
        body = "\n        ".join(lines)
        return f"""
import {imports}

def add(a, b):
    try:
        {body}
    except OSError:
        return 7
    return a + b
"""

    return {
        "reads a file": attempt(f"assert open({str(secret)!r}).read() == '42'"),
        "lists a folder": attempt(f"assert {secret.name!r} in os.listdir({str(secret.parent)!r})"),
        "reads the password file": attempt("assert open('/etc/passwd').read()"),
        "writes a file": attempt(f"open({str(target)!r}, 'w').write('x')", f"os.remove({str(target)!r})"),
        "deletes a file": attempt(f"open({str(target)!r}, 'w').close()", f"os.rename({str(target)!r}, '/tmp/gone')"),
        "changes what others may do with a file": attempt(f"os.chmod({str(secret)!r}, 0o644)"),
        "dates a file": attempt(f"os.utime({str(secret)!r})"),
        "cuts a file": attempt(f"os.truncate({str(secret)!r}, 2)"),
        "limits the verifier": attempt(
            f"resource.prlimit({pid}, resource.RLIMIT_CORE, resource.prlimit({pid}, resource.RLIMIT_CORE))",
            imports="resource",
        ),
        "slows the verifier": attempt(
            f"os.setpriority(os.PRIO_PROCESS, {pid}, os.getpriority(os.PRIO_PROCESS, {pid}))"
        ),
        "reads the verifier's memory": attempt(
            f"file = os.open('/proc/{pid}/mem', os.O_RDONLY)", f"assert os.pread(file, 2, {address}) == b'42'"
        ),
        "asks the kernel for it": attempt(
            "libc = ctypes.CDLL(None, use_errno=True)",
            "here = ctypes.create_string_buffer(2)",
            f"mine, theirs = (ctypes.c_size_t * 2)(ctypes.addressof(here), 2), (ctypes.c_size_t * 2)({address}, 2)",
            f"if libc.process_vm_readv({pid}, mine, 1, theirs, 1, 0) != 2: raise OSError",
            imports="ctypes",
        ),
        "reads the verifier's environment": attempt(f"assert open('/proc/{pid}/environ').read()"),
        "signals the verifier": attempt(f"os.kill({pid}, 0)"),
        "calls a listener": attempt(f"socket.create_connection(('127.0.0.1', {port}), 2).close()", imports="socket"),
        "sends a datagram": attempt(
            f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'42', ('127.0.0.1', {port}))", imports="socket"
        ),
        "sends a datagram by a path": attempt(
            f"socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'42', {str(mailbox)!r})", imports="socket"
        ),
        "starts a process": attempt("if os.fork() == 0: os._exit(0)"),
        "starts a program": attempt("subprocess.run(['/bin/sh', '-c', 'true'])", imports="subprocess"),
    }


BOMBS = {
    "a fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "a bomb of threads": """
import threading, time
while True:
    try:
        threading.Thread(target=time.sleep, args=(99,)).start()
    except RuntimeError:
        pass
""",
    "endless output": """
import os
while True:
    print("x" * 10**6)
    os.write(2, b"x" * 10**6)
""",
    "endless replies": """
import os
while True:
    for file in range(64):
        try:
            os.write(file, b"x" * 10**6)
        except OSError:
            pass
""",
    "waits without end, deaf to signals": """
import ctypes, os, signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
try:
    os.setsid()
except OSError:
    pass
while True:
    time.sleep(99)
""",
    "fills its folder": """
import itertools
for number in itertools.count():
    try:
        with open(f"{number % 5000}", "wb") as file:
            file.write(b"x" * 2**26)
    except OSError:
        pass
""",
}


@cache
def naive(code: str) -> bool:
    """What a harness says that runs code and tests in one process, and looks at its exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write("\n".join([code, *TESTS]))
        file.flush()
        return subprocess.run([sys.executable, "-I", file.name], capture_output=True, timeout=20).returncode == 0
