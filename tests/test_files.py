"""Files that are whole or not there."""

import subprocess
import sys
from pathlib import Path

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
