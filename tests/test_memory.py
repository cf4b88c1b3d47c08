"""What the C library does with large blocks in a process of ours."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 256 << 20
WHERE = f"""
import ctypes, os
{{first}}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def heap():
    line = next(line for line in open("/proc/self/maps") if line.endswith("[heap]\\n"))
    return [int(number, 16) for number in line.split()[0].split("-")]
address = libc.malloc({SIZE})
start, end = heap()
inside = start <= address < end
libc.free(address)
print(inside, heap()[1] == end, os.environ.get("THP_MEM_ALLOC_ENABLE"))
"""

pytestmark = [
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc"),
    pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="beside a GPU memory is left as it is"),
]


@pytest.mark.parametrize(("first", "said"), [("import rlvr", "True True 1"), ("", "False True None")])
def test_what_is_freed_is_kept(first: str, said: str):
    """A large block comes from the heap, which does not shrink; without us it has a mapping of its own."""
    command = [sys.executable, "-c", WHERE.format(first=first)]
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == said
