"""Files that are whole or not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.files import make_folder

CODE = """
import resource, sys
from pathlib import Path
from rlvr.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_whole(Path(sys.argv[1]) / "small", b"x" * 1000)
write_whole(Path(sys.argv[1]) / "large", b"x" * 1001)
"""


def test_a_full_disk_keeps_no_half_of_a_file(tmp_path: Path):
    """Files may have 1,000 bytes: what is larger is an error, and nothing of it stays."""
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True)
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


MAKING = """
import sys, time
from pathlib import Path
from rlvr.files import make_folder

def fill(aside):
    with open(Path(sys.argv[1]) / "fills", "a") as file:
        file.write("once ")
    time.sleep(1)
    (aside / "file").write_text("whole")

make_folder(Path(sys.argv[1]) / "folder", fill)
print((Path(sys.argv[1]) / "folder" / "file").read_text())
"""


def test_one_of_several_processes_makes_a_folder(tmp_path: Path):
    """As the ranks of a launcher do, which start together: the others wait, and find it whole."""
    command = [sys.executable, "-c", MAKING, str(tmp_path)]
    several = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [one.communicate()[0] for one in several] == ["whole\n"] * 3
    assert (tmp_path / "fills").read_text() == "once "


def test_a_folder_whose_maker_failed_is_made_by_the_next(tmp_path: Path):
    """The lock goes with the process, or with the error; nothing half made stays."""

    def broken(aside: Path) -> None:
        (aside / "file").write_text("half")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        make_folder(tmp_path / "folder", broken)
    make_folder(tmp_path / "folder", lambda aside: None)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["folder"]
