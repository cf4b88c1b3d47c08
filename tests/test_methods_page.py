"""`docs/methods.md` is current and complete, and every method says where it comes from."""

from pathlib import Path

import pytest

from rlvr.build import catalogue
from rlvr.build.catalogue import PAGE, names, origin, page
from rlvr.errors import ConfigError

SURE = ("code", "paper", "second-hand", "ours")


def test_the_page_is_current():
    """`python -m rlvr.build.catalogue` writes it."""
    assert PAGE.read_text() == page()


def test_the_page_has_every_method_and_the_figure():
    text = PAGE.read_text()
    assert [name for name in names() if f"| `{name}` |" not in text] == []
    assert (PAGE.parent / "results" / "f_of_p.png").exists()
    (command,) = [line for line in text.splitlines() if "hydra.run.dir=logs/profiles/docs" in line]
    drawn = command.partition("[")[2].partition("]")[0].split(",")
    assert set(drawn) <= set(names())


@pytest.mark.parametrize("name", names())
def test_every_method_says_where_it_comes_from(name: str):
    """By a word of the page's legend."""
    source, sure = origin(name)
    assert source
    assert sure.startswith(SURE)
    assert all(f"| {word} |" in PAGE.read_text() for word in SURE)


def test_a_head_that_does_not_say_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "algo").mkdir()
    (tmp_path / "algo" / "mine.yaml").write_text("# Mine\nname: Mine\n")
    monkeypatch.setattr(catalogue, "CONFIGS", tmp_path)
    with pytest.raises(ConfigError, match=r"mine\.yaml: begin it with"):
        origin("mine")
