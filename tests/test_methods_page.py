"""`docs/methods.md` is current and complete, and every method says how sure it is."""

from pathlib import Path

import pytest

from rlvr.build import catalogue
from rlvr.build.catalogue import BASE, PAGE, measured, names, origin, page
from rlvr.errors import ConfigError

SURE = ("code", "paper", "abstract", "docs", "second-hand", "ours")


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


def test_what_was_measured():
    """Numbers that can be, of methods that are there; those that take the same step have the same ones."""
    lines = measured()
    assert BASE in lines
    assert set(lines) <= {BASE, *names()}
    for line in lines.values():
        passed = [float(line[f"Pass@{k}"]) for k in (1, 16, 256)]
        assert 0 < passed[0] < passed[1] < passed[2] <= 100
    assert lines["grpo"] == lines["cispo"] == lines["aspo"] == lines["topr"]
    assert lines["gspo"] == lines["gmpo"]


def test_every_method_was_measured():
    assert [name for name in names() if name not in measured()] == []


@pytest.mark.parametrize("name", names())
def test_every_method_says_how_sure_it_is(name: str):
    """By a word of the page's legend."""
    _, sure = origin(name)
    assert sure.startswith(SURE)
    assert all(f"| {word} |" in PAGE.read_text() for word in SURE)


def test_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a source, without one, and with neither."""
    monkeypatch.setattr(catalogue, "CONFIGS", tmp_path)
    (tmp_path / "algo").mkdir()
    mine = tmp_path / "algo" / "mine.yaml"
    mine.write_text("# Mine (arXiv 2601.00001, paper; the rest ours): mine (not yours)\n")
    assert origin("mine") == ("arXiv 2601.00001", "paper; the rest ours")
    mine.write_text("# Mine (ours): mine\n")
    assert origin("mine") == ("", "ours")
    mine.write_text("# Mine\nname: Mine\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: begin it with"):
        origin("mine")
