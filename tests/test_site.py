"""The docs site builds strictly: every link and anchor leads somewhere, every docstring shown can be read."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = re.compile(r"""(?:src|href)=["']?(https?:)?//[^"' >]+\.(?:js|css|woff2?|svg|png)""")


@pytest.mark.full
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed: pip install '.[docs]'")
def test_it_builds_and_asks_no_other_server(tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    assert "Outcomes" in (tmp_path / "api" / "algo.html").read_text()
    assert [page.name for page in pages if ELSEWHERE.search(page.read_text())] == []


def test_every_page_has_its_place():
    """In the navigation, but for those below docs/results/ that others link to."""
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert [str(path) for path in pages if path.parts[0] != "results" and f": {path}\n" not in nav] == []
