import csv
from pathlib import Path

import pytest
from hydra.utils import instantiate

from rlvr.build import build
from rlvr.console import is_first_rank
from rlvr.data.report import Fault, Reading, announce, write_report
from rlvr.types import Problem

READINGS = [
    Reading(
        *("train", "a.jsonl train", None, "abc", 9, 7),
        (Fault("train", 3, "duplicate", "of row 1", "What\nis 1?"), Fault("train", 5, "contaminated", "", "x", False)),
    ),
    Reading("heldout", "nobody/tiny test", "f" * 40, "def", 2, 2, ()),
]


class Letters:
    """Each id is a character."""

    def decode(self, ids, clean_up_tokenization_spaces):
        return "".join(map(chr, ids))


def problem(text: str) -> Problem:
    return Problem("id", "not what is shown", tuple(map(ord, text)), "1")


def test_what_the_run_folder_gets(tmp_path):
    """A table of what was read, three prompts of each set as the tokens say, and every row with a fault."""
    train = [problem(f"<s>{number}?") for number in range(5)]
    write_report(tmp_path, READINGS, {"train": train, "heldout": [problem("```\n2?")]}, Letters())
    text = (tmp_path / "problems.md").read_text()
    assert "| train | a.jsonl train | - | abc | 9 | 7 | 1 | 1 |" in text
    assert f"| heldout | nobody/tiny test | {'f' * 40} | def | 2 | 2 | 0 | 0 |" in text
    assert [f"```\n<s>{number}?\n```" in text for number in range(5)] == [True] * 3 + [False] * 2
    assert "## heldout: id, 6 tokens\n\n````\n```\n2?\n````\n" in text
    rows = list(csv.DictReader((tmp_path / "dropped.csv").open()))
    assert [list(row.values()) for row in rows] == [
        ["train", "3", "duplicate", "of row 1", "yes", "What is 1?"],
        ["train", "5", "contaminated", "", "no", "x"],
    ]


def test_without_faults_there_is_no_list(tmp_path):
    """Made problems have no table either."""
    write_report(tmp_path, [], {"heldout": [problem("2?")]}, Letters())
    assert [path.name for path in tmp_path.iterdir()] == ["problems.md"]
    assert "|" not in (tmp_path / "problems.md").read_text()


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"])
def test_only_the_first_rank_speaks(tmp_path, monkeypatch, capsys, name: str):
    """However the group was launched."""
    announce(READINGS)
    assert " ".join(capsys.readouterr().out.split()) == (
        "Problems: 7 train (9 rows, 1 duplicate, 1 contaminated); 2 heldout (2 rows)."
    )
    monkeypatch.setenv(name, "1")
    assert not is_first_rank()
    announce(READINGS)
    write_report(tmp_path, READINGS, {}, Letters())
    assert not capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_torchrun_inside_a_slurm_job_has_a_first_rank(monkeypatch):
    """Its rank 0 may well be on Slurm's second machine: ranks are dealt out as machines arrive."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert is_first_rank()
    monkeypatch.setenv("RANK", "8")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert not is_first_rank()


def test_every_run_shows_its_prompts(quick):
    """Those of the embedded default, too."""
    cfg = quick()
    run = build(cfg)
    text = (Path(cfg.paths.run_dir) / "problems.md").read_text()
    splits = instantiate(cfg.data).splits(run.tokenizer)
    shown = [
        f"## {role}: {problem.id}, {len(problem.prompt_ids)} tokens\n\n```\n{problem.prompt}\n```"
        for role, problem in [
            *(("train", problem) for problem in splits.train[:3]),
            *(("heldout", problem) for problem in splits.heldout[:3]),
        ]
    ]
    assert text == "\n\n".join(["# Problems", *shown]) + "\n"
