"""`src/profile_method.py`: what it prints and writes, what it refuses, what it says of a method that f(p) does not."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from figures import coloured
from hydra import compose, initialize_config_dir

from rlvr.build.profiles import notes_of, profile_of
from rlvr.commands.train import leave_profile
from rlvr.errors import ConfigError
from rlvr.report.profiles import TABLE_RATES, profile_tables, rates, write_profiles

ROOT = Path(__file__).parents[1]
# f(p)/f(.5) at n = 8, as in ../shared/design/methods.md.
GRPO = ["1.41", "1.33", "1.25", "1.14", "1.06", "1.00", "1.06", "1.25", "1.33"]
GRPO_N = ["0.03", "0.13", "0.25", "0.45", "0.63", "1.00", "1.48", "2.26", "2.53"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "src" / "profile_method.py")
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, cwd=ROOT)


def composed(*overrides: str):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        return compose("profile", list(overrides))


def line(text: str, label: str, table: int) -> list[str]:
    """Cells of a method's row in one of the tables."""
    return [found for found in text.splitlines() if found.strip().startswith(f"{label} ")][table].split()[1:]


def test_methods_on_one_figure(tmp_path: Path):
    """Tables as methods.md has them, a CSV from which they can be read, a figure; a method with an override of its own
    beside one without, at the group size of the command."""
    own = '"grpo_n batch.group_size=4"'
    done = command(f"methods=[self,grpo_n,{own}]", "batch.group_size=8", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert line(done.stdout, "SELF", 0) == GRPO
    assert line(done.stdout, "GRPO-N", 0) == GRPO_N
    assert "SELF: filter self decides before sampling" in done.stdout
    with (tmp_path / "f_of_p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"SELF", "GRPO-N", "GRPO-N batch.group_size=4"}
    half = {row["method"]: row for row in rows if float(row["p"]) == 0.5}
    # All four or none of four are right in 2 of 16 groups, all eight or none of eight in 2 of 256.
    assert float(half["GRPO-N batch.group_size=4"]["silent_share"]) == pytest.approx(2 / 16)
    assert float(half["SELF"]["silent_share"]) == pytest.approx(2 / 256)
    assert float(half["SELF"]["f"]) == pytest.approx(float(line(done.stdout, "SELF", 1)[5]), abs=0.0005)
    assert float(half["SELF"]["f_relative"]) == 1
    assert float(half["SELF"]["variance"]) > 0
    assert coloured(tmp_path / "f_of_p.png") > 1000
    assert (tmp_path / "f_of_p.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["methods=[grpo,grop]"], "algo=grop: there is no such choice; did you mean "),
        (["methods=[grpo,nsr]", "algo=nsr"], "algo=nsr: methods= names the methods; give one of the two."),
        (["methods=[nsr,grpo]", "batch.group_size=1"], "batch.group_size=1: loss grpo compares the rollouts"),
        (["methods=grpo"], "methods=grpo: must be a list, each item text."),
    ],
)
def test_what_it_refuses(tmp_path: Path, arguments: list[str], sentence: str):
    done = command(*arguments, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert f"Error: {sentence}" in done.stdout
    assert not (tmp_path / "f_of_p.csv").exists()


@pytest.mark.full
def test_a_method_of_the_whole_batch_is_refused():
    """Here one that lives outside the package."""
    cfg = composed("algo=grpo", "algo.loss.advantage._target_=tests.algo.test_profile.of_the_batch", "algo.loss.name=a")
    with pytest.raises(ConfigError, match=r"none\+a: loss a compares a group with the others of its batch, so what it"):
        profile_of(cfg, [0.5])


def test_a_slot_that_f_does_not_know_is_refused():
    """Rather than that a number is shown which it may change."""
    with pytest.raises(ConfigError, match=r"algo\.another: what it does to f\(p\) is not known"):
        profile_of(composed("algo=grpo", "+algo.another._target_=mine.Another"), [0.5])


@pytest.mark.full
def test_a_run_without_f_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It says so; one whose method has an f leaves its numbers."""
    own = "algo.loss.advantage._target_=tests.algo.test_profile"
    leave_profile(composed("algo=grpo", f"{own}.of_the_batch"), tmp_path)
    leave_profile(composed("algo=grpo", f"{own}.no_such_thing"), tmp_path)
    assert capsys.readouterr().out.count("No f(p) of this run:") == 2
    assert list(tmp_path.iterdir()) == []
    leave_profile(composed("algo=grpo"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["f_of_p.csv"]


@pytest.mark.parametrize(
    ("overrides", "notes"),
    [
        (["algo=nsr"], []),
        (["algo=nsr", "algo/correction=token_masked"], []),
        (["algo=gspo"], ["each answer is divided by its length"]),
        (["algo=bbg", "batch.minibatches_per_rollout=4"], ["exact for the first of 4 minibatches"]),
        (["algo=nsr", "algo/auxiliary=entropy_bonus"], ["algo.auxiliary (entropy_bonus) comes beside it"]),
        (["algo=grpo", "verifier=math_self"], ["computed for rewards of 1 and 0"]),
        (["algo=grpo", "verifier=math"], []),
        (
            ["experiment=self_qwen7b"],
            ["filter self decides before", "exact for the first of 2", "computed for rewards"],
        ),
    ],
)
def test_what_it_leaves_out_is_said(overrides: list[str], notes: list[str]):
    found = list(notes_of(composed(*overrides)))
    assert [note[: len(start)] for note, start in zip(found, notes, strict=True)] == notes


def test_a_method_that_never_learns(tmp_path: Path):
    """GRPO where nothing is right: f is 0, and nothing can be divided by f(.5)."""
    profiles = {"none": profile_of(composed("algo=grpo", "algo/filter=zero_success"), rates())}
    relative, absolute = profile_tables(profiles)
    assert relative.rows == [["none", *["-"] * len(TABLE_RATES)]]
    assert absolute.rows == [["none", *["0.000"] * len(TABLE_RATES)]]
    write_profiles(profiles, tmp_path)
    assert (tmp_path / "f_of_p.png").exists()
