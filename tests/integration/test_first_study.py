"""Follows docs/first_study.md: its commands in miniature, and, where time is no matter, as they stand."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from followed import ROOT, commands, outputs, run, started_in

PAGE = (ROOT / "docs" / "first_study.md").read_text()
NUMBER = re.compile(r"[+-]?\d[\d,]*\.?\d*|[+-]?\.\d+")


def lines(text: str) -> list[str]:
    """Without layout, and without lines of the table's frame."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip(" ─")]


def numbers(line: str) -> list[float]:
    return [float(number.rstrip(",.").replace(",", "")) for number in NUMBER.findall(line)]


def shape(line: str) -> str:
    """Words and places of numbers; a star belongs to a number."""
    return NUMBER.sub("#", line).replace("*", "")


def shown_by(said: Sequence[str], line: str) -> bool:
    """Whether a command has printed such a line, its numbers within 5, or a half of it, of the page's."""
    return any(
        shape(one) == shape(line) and numbers(one) == pytest.approx(numbers(line), abs=5, rel=0.5) for one in said
    )


@pytest.mark.full
def test_its_commands_run(cache_dir: Path, tmp_path: Path):
    """In seconds each, with settings behind them that make them small; the exact table is the page's."""
    started_in(tmp_path, PAGE)
    quick, profile, sweep, confirm = commands(PAGE)
    small = ["model.steps=150", "data.train_size=64", "data.heldout_size=16", f"paths.cache_dir={cache_dir}"]
    assert "Everything of this run: " in run(tmp_path, [*quick, *small])
    printed = lines(run(tmp_path, profile))
    assert [line for line in lines(outputs(PAGE)[0]) if line not in printed] == []
    table = lines(run(tmp_path, [*sweep, "debug=quick", *small]))
    assert "Pass@k on 16 held-out problems, 1 seed, % [95 % interval]; * excludes 0" in table
    assert "The answer, held-out problems" in table
    folder = tmp_path / "logs" / "multiruns" / "first"
    assert (folder / "report.html").is_file()
    for name in re.findall(r"^\| `([\w./]+)`", PAGE.partition("## What you have now")[2], re.MULTILINE):
        assert (folder / "0_none+grpo_seed0" / name).exists()
    assert "fresh samples each" in run(tmp_path, [*confirm, f"paths.cache_dir={cache_dir}"])


@pytest.mark.slow
def test_its_outputs_come_out(tmp_path: Path):
    """The very commands: every line that the page shows is printed, but for the digits of another processor."""
    started_in(tmp_path, PAGE)
    said = [line for command in commands(PAGE) for line in lines(run(tmp_path, command))]
    joined = [" ".join(said[index : index + 2]) for index in range(len(said))]  # a sentence that was wrapped
    missing = [line for shown in outputs(PAGE) for line in lines(shown) if not shown_by([*said, *joined], line)]
    assert missing == []
