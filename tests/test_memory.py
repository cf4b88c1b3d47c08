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
print(inside, heap()[1] == end)
"""

pytestmark = [
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc"),
    pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="beside a GPU memory is left as it is"),
]


KEPT = "from rlvr.memory import keep_freed_memory; keep_freed_memory()"


@pytest.mark.parametrize(("first", "said"), [(KEPT, "True True"), ("import rlvr", "False True")])
def test_what_is_freed_is_kept(first: str, said: str):
    """A large block comes from the heap, which does not shrink; until then it has a mapping of its own."""
    assert told(WHERE.format(first=first)) == said


def test_torch_is_asked_for_large_pages():
    assert told('import rlvr, os; print(os.environ["THP_MEM_ALLOC_ENABLE"])') == "1"


def told(script: str) -> str:
    """What it prints in a process of its own."""
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.strip()
