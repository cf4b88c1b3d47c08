"""What was seen to work with vLLM's CPU build is the same Python in the CUDA build: where its wheel is at hand.

pip download --no-deps --only-binary=:all: vllm==0.32.0
VLLM_CUDA_WHEEL=vllm-0.32.0-cp38-abi3-manylinux_2_28_x86_64.whl pytest tests/rollout/test_cuda_wheel.py
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import vllm  # skips where vLLM is not installed
from vllm.platforms import current_platform

assert vllm
WHEEL = os.environ.get("VLLM_CUDA_WHEEL")
pytestmark = [
    pytest.mark.skipif(not WHEEL, reason="VLLM_CUDA_WHEEL names no wheel of the CUDA build"),
    pytest.mark.skipif(not current_platform.is_cpu(), reason="the CUDA build itself is installed"),
]
# Version, choice of the platform, and a stand-in for Triton: none of them is called by name here.
DIFFERENT = {"vllm/_version.py", "vllm/platforms/__init__.py", "vllm/utils/cpu_triton_utils.py"}


@pytest.fixture
def wheel() -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(WHEEL) as opened:
        yield opened


def test_every_shared_file_is_the_same(wheel: zipfile.ZipFile):
    """So the contract tests and those with the CPU engine speak for the code that runs on GPUs."""
    import vllm as installed

    root = Path(installed.__file__).parents[1]
    ours = {path.relative_to(root).as_posix() for path in root.glob("vllm/**/*.py")}
    theirs = {name for name in wheel.namelist() if name.startswith("vllm/") and name.endswith(".py")}
    assert len(ours & theirs) > 2000
    assert not ours - theirs
    different = {name for name in ours & theirs if wheel.read(name) != (root / name).read_bytes()}
    assert different <= DIFFERENT


def test_it_wants_the_torch_that_we_pin(wheel: zipfile.ZipFile):
    """Another one would be replaced by pip, or fail to load."""
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    pinned = next(
        line for line in (Path(__file__).parents[2] / "pyproject.toml").read_text().splitlines() if '"torch==' in line
    ).split('"')[1]
    assert f"Requires-Dist: {pinned}" in wheel.read(metadata).decode()
