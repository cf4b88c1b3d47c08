"""Every command and every setting that README and docs/ name is there; the numbers of their plans are today's."""

from pathlib import Path

import pytest
from documented import PAGES, ROOT, commands, fault, spans, unknown, unmeasured

from studies.plans import PAGES as PLANNED
from studies.plans import current

NAMES = [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES if "configuration" not in path.name]


@pytest.mark.full
@pytest.mark.parametrize("path", NAMES)
def test_every_command_is_there_and_takes_its_settings(path: Path):
    """Entry scripts' settings are composed and checked as the command itself does, without running it."""
    assert [wrong for words in commands(path.read_text()) if (wrong := fault(words))] == []


@pytest.mark.parametrize("path", NAMES)
def test_every_setting_in_a_sentence_is_there(path: Path):
    assert [wrong for span in spans(path.read_text()) if (wrong := unknown(span))] == []


@pytest.mark.parametrize("path", NAMES)
def test_every_metric_in_a_sentence_is_there(path: Path):
    assert [wrong for span in spans(path.read_text()) if (wrong := unmeasured(span))] == []


def test_every_command_of_the_readme():
    page = (ROOT / "README.md").read_text()
    assert len(list(commands(page))) > 5
    assert [wrong for words in commands(page) if (wrong := fault(words))] == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("make bench-nothing", "no such target"),
        ("make run ARGS='algo=nothing'", "algo/nothing"),
        ("python src/nothing.py", "no such file"),
        ("python src/train.py batch.group=3", "batch.group"),
        ("python src/train.py algo=grpo,self", "several values want -m"),
        ("python src/train.py -m algo=grpo,self,nothing seed=0,1", "algo/nothing"),
        ("python -m studies.nothing", "no such module"),
        ("python -m rlvr.build.nothing", "no such module"),
        ("pytest tests/test_nothing.py", "no such file"),
        ("pip install '.[math,nothing]'", "no such extra"),
        ("pip install ./packaging/nothing", "no such project"),
        ("rlvr-nothing --help", "no such command"),
    ],
)
def test_what_is_not_there_is_found(command: str, said: str):
    (words,) = commands(f"```\n{command}\n```")
    assert said in str(fault(words))


@pytest.mark.parametrize("span", ["algo=nothing", "verifier.timeout=3", "algo/correction=nothing", "rollout.nothing=1"])
def test_a_setting_that_is_not_there_is_found(span: str):
    assert unknown(span)


def test_a_metric_that_is_not_there_is_found():
    assert unmeasured("rollout/nothing")
    assert unmeasured("rollout/accuracy") is None


@pytest.mark.parametrize("span", ["algo=grpo", "verifier.timeout_s=3", "x=y", "algo.auxiliary.kl.coefficient=1", "k=1"])
def test_others_are_not(span: str):
    assert unknown(span) is None


@pytest.mark.full
@pytest.mark.parametrize("path", PLANNED, ids=lambda path: path.stem)
def test_plans_are_current(path: Path):
    """`python -m studies.plans` writes them anew."""
    assert path.read_text() == current(path.read_text())
