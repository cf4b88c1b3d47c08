"""The wheel in an environment of its own, used from another folder: its commands, its configs, one's own beside."""

import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from checkout import ROOT, copy_to, run

SMALL = ["debug=quick", "model.steps=20", "data.train_size=64", "data.heldout_size=16"]
COMMANDS = {f"rlvr-{name}" for name in ("train", "eval", "report", "confirm", "profile", "export")}
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = run(*pip, copy_to(tmp_path_factory.mktemp("copy")), "--wheel-dir", folder, cwd=folder)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's commands; libraries are those of this one, the package is the wheel's."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = run(*pip, wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder in which nothing is but a user's own configs and secrets."""
    for group in ("experiment", "algo", "data"):
        (tmp_path / "mine" / group).mkdir(parents=True)
    grpo = (ROOT / "configs" / "algo" / "grpo.yaml").read_text()
    (tmp_path / "mine" / "algo" / "my_grpo.yaml").write_text(grpo.replace("name: GRPO", "name: Mine"))
    countdown = (ROOT / "configs" / "data" / "countdown.yaml").read_text()
    (tmp_path / "mine" / "data" / "four.yaml").write_text(countdown.replace("numbers: 5", "numbers: 4"))
    chosen = "defaults: [{override /algo: my_grpo}, {override /data: four}]"
    (tmp_path / "mine" / "experiment" / "first.yaml").write_text(f"# @package _global_\n{chosen}\nseed: 5\n")
    (tmp_path / ".env").write_text("STUDY=from_a_file\n")
    return tmp_path


def test_every_config_is_in_the_wheel(wheel: Path):
    """As it is in `configs/`, and no other."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("rlvr/configs/")]
        held = {name.removeprefix("rlvr/configs/"): archive.read(name) for name in names}
    shipped = (ROOT / "configs").rglob("*.*")
    assert held == {str(path.relative_to(ROOT / "configs")): path.read_bytes() for path in shipped}


def test_every_command_is_there(commands: Path, tmp_path: Path):
    """Each says what may be chosen."""
    assert {path.name for path in commands.glob("rlvr-*")} == COMMANDS
    for name in COMMANDS:
        done = run(commands / name, "--help", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Powered by Hydra" in done.stdout


def test_ones_own_configs_are_found_beside_the_shipped(commands: Path, mine: Path):
    """An experiment of one's own chooses a method and a data set of one's own; `.env` is read."""
    asked = ["--config-dir", "mine", "experiment=first", "task_name=${oc.env:STUDY}", "paths.run_dir=run"]
    done = run(commands / "rlvr-train", *asked, "--cfg", "job", "--resolve", cwd=mine)
    assert done.returncode == 0, done.stdout + done.stderr
    cfg = yaml.safe_load(done.stdout)
    said = cfg["algo"]["name"], cfg["data"]["numbers"], cfg["seed"], cfg["task_name"]
    assert said == ("Mine", 4, 5, "from_a_file")
    done = run(commands / "rlvr-train", "--config-dir", "mine", "algo=my_grp", cwd=mine)
    assert done.returncode == 2
    assert "algo=my_grp: there is no such choice; did you mean " in done.stdout
    assert not (mine / "logs").exists()


def test_a_sweep_leaves_its_logs_where_it_was_started(commands: Path, mine: Path):
    """Its jobs are started by the same command; started again, they are skipped; a report of them is made anywhere."""
    sweep = ["-m", "--config-dir", "mine", "algo=my_grpo,self", *SMALL, "hydra.sweep.dir=logs/multiruns/first"]
    done = run(commands / "rlvr-train", *sweep, cwd=mine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Report of 2 runs" in done.stdout
    folder = mine / "logs" / "multiruns" / "first"
    assert (folder / "0_none+grpo_seed0" / "train.log").read_text().split()[2].endswith("/bin/rlvr-train")
    again = run(commands / "rlvr-train", *sweep, cwd=mine)
    assert "2 skipped" in again.stdout
    report = run(commands / "rlvr-report", f"runs=[{folder}]", "hydra.run.dir=report", cwd=mine)
    assert report.returncode == 0, report.stdout + report.stderr
    assert (mine / "report" / "report.html").exists()


def test_a_run_on_two_ranks(commands: Path, mine: Path):
    """Lightning starts the second rank by the same command; `ckpt_path=last` finds the run below the study's name."""
    ranks = [*SMALL, "trainer=ddp_sim", "task_name=study"]
    first = run(commands / "rlvr-train", *ranks, cwd=mine)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "trained on 2 rank(s)" in first.stdout
    (folder,) = (mine / "logs" / "study" / "runs").iterdir()
    again = run(commands / "rlvr-train", *ranks, "ckpt_path=last", cwd=mine)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.split() == ["This", "run", "is", "finished:", str(folder)]
