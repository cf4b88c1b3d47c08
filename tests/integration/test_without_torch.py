"""What `pip install ./packaging/report` brings: the report over samples of other programs, without torch."""

import venv
from pathlib import Path

import foreign
import numpy as np
import pytest
from checkout import copy_to, run

N, RATES = 8, np.linspace(0, 0.9, 10)
BASE = foreign.graded(RATES**2, N, seed=0)
MINE = foreign.graded(np.where(RATES < 0.4, 0, RATES), N, seed=1)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a person checks out."""
    return copy_to(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def installed(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's commands."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile"]
    if (reached := run(*pip, "setuptools>=77", "wheel", cwd=folder)).returncode:
        pytest.skip(f"no registry of packages can be reached: {reached.stderr.strip()[-200:]}")
    done = run(*pip, "--no-build-isolation", copy / "packaging" / "report", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.mark.full
def test_two_foreign_formats_end_in_a_report(installed: Path, tmp_path: Path):
    """Each is of a base and a trained policy; the same samples give the same numbers."""
    files = {
        "harness": {"base": foreign.harness(tmp_path / "base", BASE), "mine": foreign.harness(tmp_path / "m", MINE)},
        "verl": {name: foreign.verl(tmp_path / name / "7.jsonl", s) for name, s in (("base", BASE), ("mine", MINE))},
    }
    for program, named in files.items():
        samples = f"samples={{base: {named['base']}, mine: {named['mine']}}}"
        done = run(installed / "rlvr-report", samples, f"hydra.run.dir={program}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "mine - base" in done.stdout
        page = (tmp_path / program / "report.html").read_text()
        assert page.count("data:image/png;base64,") == 5
        for title in ("Pass@k", "Boundary ledger", "Beyond Pass@k", "Transitions", "What was read"):
            assert f">{title} <a" in page
        head, row = (line.split(",") for line in (tmp_path / program / "csv" / "ledger.csv").read_text().splitlines())
        lost = sum(any(BASE[q]) and not any(MINE[q]) for q in BASE)
        assert int(dict(zip(head, row, strict=True))["losses"]) == lost > 0
    assert all(
        (tmp_path / "harness" / "csv" / f"{name}.csv").read_text()
        == (tmp_path / "verl" / "csv" / f"{name}.csv").read_text()
        for name in ("pass_at_k", "crossing", "beyond", "cover", "difficulty")
    )


@pytest.mark.full
def test_there_is_no_torch_in_it(installed: Path, copy: Path, tmp_path: Path):
    """Who asks for a training there is told what brings it."""
    for library in ("torch", "lightning", "transformers", "torchmetrics"):
        done = run(installed / "python", "-c", f"import {library}", cwd=tmp_path)
        assert "ModuleNotFoundError" in done.stderr
    for script in ("train.py", "eval.py"):
        done = run(installed / "python", copy / "src" / script, f"hydra.run.dir={tmp_path}/run", cwd=copy)
        assert done.returncode == 2
        assert "Error: torch is not installed: this environment has the report alone" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
