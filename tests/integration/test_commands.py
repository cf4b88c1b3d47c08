"""The commands of the README, as a user types them, in seconds."""

import json
import subprocess
import sys
from pathlib import Path

import forkserver
import pyarrow.parquet as pq
import pytest
from figures import coloured
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).parents[2]
SMALL = ["model.steps=20", "data.train_size=64", "data.heldout_size=16"]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "src" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multirun of two methods from one base."""
    folder = tmp_path_factory.mktemp("sweep")
    paths = [f"paths.log_dir={folder}", f"hydra.sweep.dir={folder}/multirun"]
    done = run("train.py", "-m", "algo=grpo,self", "debug=quick", *SMALL, "logger=tensorboard", *paths)
    assert done.returncode == 0, done.stderr
    assert "SELF - GRPO" in done.stdout
    return folder


def test_a_run_leaves_what_it_promises(sweep: Path):
    """Config, metrics, record, table, figures, samples, checkpoint, and a policy that plain transformers loads."""
    for name in ("0_none+grpo_seed0", "1_self+grpo_seed0"):
        folder = sweep / "multirun" / name
        for file in (
            "config.yaml",
            "metrics.csv",
            "f_of_p.csv",
            "pass_at_k.md",
            "checkpoints/step-2/weights.safetensors",
            "tensorboard",
        ):
            assert (folder / file).exists(), file
        for figure in ("pass_at_k.png", "path.png", "pass_at_k_train.png"):
            assert coloured(folder / "figures" / figure) > 100, figure  # the shortest of paths
        record = json.loads((folder / "pass_at_k.json").read_text())
        assert set(record["splits"]) == {"heldout", "train"}
        assert set(record["splits"]["heldout"]["curves"]) == {"base", "trained", "difference", "guess"}
        assert pq.read_table(folder / "samples.parquet").num_rows >= 3 * 8 * 4
        assert AutoModelForCausalLM.from_pretrained(folder / "policy").num_parameters() > 100_000
        assert len(AutoTokenizer.from_pretrained(folder / "policy")) == 16


def test_metrics_are_documented(sweep: Path):
    """Every column of metrics.csv stands in docs/metrics.md."""
    header = (sweep / "multirun" / "1_self+grpo_seed0" / "metrics.csv").read_text().splitlines()[0].split(",")
    documented = (ROOT / "docs" / "metrics.md").read_text()
    undocumented = [name for name in header if not name.startswith("bucket/") and f"`{name}`" not in documented]
    assert len(header) > 30
    assert undocumented == ["step"] or undocumented == []


def test_one_base_serves_the_whole_sweep(sweep: Path):
    """One warm start, and one evaluation of the base a split."""
    names = [path.name for path in (sweep / "cache").iterdir()]
    assert sum(name.startswith("base-") for name in names) == 1
    assert sum(name.startswith("eval-") and name.endswith(".json") for name in names) == 2


@pytest.mark.full
def test_the_joint_report_and_the_report_command_agree(sweep: Path):
    """The multirun's own table, and the one made later by name."""
    made = run("report.py", f"runs=[{sweep}/multirun]", f"hydra.run.dir={sweep}/report")
    assert made.returncode == 0, made.stderr
    assert (sweep / "report" / "report.md").read_text() == (sweep / "multirun" / "report.md").read_text()
    assert (sweep / "report" / "report.html").stat().st_size > 100_000


def test_a_trained_policy_can_be_evaluated(sweep: Path):
    """The run's Hugging Face folder, by name."""
    policy = sweep / "multirun" / "0_none+grpo_seed0" / "policy"
    model = ["model=pretrained", f"model.name='{policy}'"]
    made = run("eval.py", *model, "eval.n=4", "data.heldout_size=8", f"paths.log_dir={sweep}")
    assert made.returncode == 0, made.stderr
    assert "k=4" in made.stdout


@pytest.mark.full
def test_claims_can_be_put_to_the_test(sweep: Path):
    """Trainings of seconds claim nothing: so it is said, and nothing is sampled."""
    made = run("confirm.py", f"runs=[{sweep}/multirun]", f"paths.log_dir={sweep}/confirming")
    assert made.returncode == 0, made.stderr
    assert "heldout: 0 claims, 32 fresh samples each: 0 confirmed, 0 refuted, 0 open" in " ".join(made.stdout.split())
    assert not (sweep / "confirming" / "samples").exists()
    again = run("report.py", f"runs=[{sweep}/multirun]", f"hydra.run.dir={sweep}/confirmed")
    assert again.returncode == 0, again.stderr
    assert "0 lost [surely 0] and 0 won [surely 0]" in (sweep / "confirmed" / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train.py", "algo=nonsense"], "Error: algo=nonsense: there is no such choice; choose one of aspo, asym_re"),
        (
            ["train.py", "verifier=function", "verifier.function=examples/rewards.py"],
            "Error: verifier.function=examples/rewards.py: must be FILE.py:NAME, a function of (problem, completion",
        ),
        (["train.py", "seed=abc"], "Error: seed=abc: must be a whole number from 0 to"),
        (["train.py", "-m", "algo=grpo,nonsense"], "Error: algo=nonsense: there is no such choice"),
        (["eval.py", "evla.n=4"], "Error: evla.n=4: there is no such key; did you mean eval.n?"),
        (["export.py"], "Error: checkpoint: not given"),
        (["train.py", "algo=grpo", "batch.group_size=1"], "Error: batch.group_size=1: loss grpo"),
        (["train.py", "paths.log_dir=/proc/logs"], "Error: paths.log_dir=/proc/logs: /proc can't be written"),
        (["train.py", "-m", "seed=0,1", "paths.log_dir=/proc/logs"], "Error: paths.log_dir=/proc/logs"),
        (["report.py"], "Error: runs: none of these runs is finished"),
        (["confirm.py"], "Error: runs: none of these runs is finished"),
        (["confirm.py", "times=2"], "Error: times=2: must be a whole number from 4 to 16"),
    ],
)
def test_mistakes_end_with_one_sentence(tmp_path: Path, arguments: list[str], said: str):
    """No stack trace, and the exit code of a refusal."""
    script, *overrides = arguments
    folders = [] if any("log_dir" in override for override in overrides) else [f"hydra.run.dir={tmp_path}"]
    done = forkserver.run([sys.executable, str(ROOT / "src" / script), *overrides, *folders], timeout=300, cwd=ROOT)
    assert done.returncode == 2
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
