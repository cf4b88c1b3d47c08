"""What people know from other templates: debug settings, simulated ranks, Lightning's own callbacks, tags, `.env`."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_training import fit

ROOT = Path(__file__).parents[2]
SMALL = ["model.steps=20", "data.train_size=64", "data.heldout_size=16", "batch.problems_per_step=8"]


def train(cache: Path, folder: Path, *overrides: str) -> str:
    """What a training prints; its run is the only one below `folder`."""
    paths = [f"paths.cache_dir={cache}", f"paths.log_dir={folder}"]
    command = [sys.executable, str(ROOT / "src" / "train.py"), *SMALL, *paths, *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def only_run(folder: Path) -> Path:
    (run,) = folder.glob("**/runs/*")
    return run


def rows(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.full
def test_debug_default(cache_dir: Path, tmp_path: Path):
    """The composed config as a tree, runs beside the others, and a search for what is not a number."""
    (tmp_path / ".env").write_text("WORD=of_a_file\n")
    said = train(cache_dir, tmp_path, "debug=default", "trainer=ddp_sim", "tags=[dry,'${oc.env:WORD}']")
    assert "── algo" in said
    assert "- of_a_file" in said[said.index("in no group") :]
    assert only_run(tmp_path).parts[-3:-1] == ("debug", "runs")
    kept = yaml.safe_load((only_run(tmp_path) / "config.yaml").read_text())
    assert kept["tags"] == ["dry", "of_a_file"]
    trainer = kept["trainer"]
    assert (trainer["detect_anomaly"], trainer["accelerator"], trainer["devices"]) == (True, "cpu", 1)


@pytest.mark.full
def test_debug_limit(cache_dir: Path, tmp_path: Path):
    """The batches that were asked for, and few of them."""
    said = train(cache_dir, tmp_path, "debug=limit", "batch.group_size=6")
    assert "4 rollouts of 8 x 6 in 4 steps" in said


@pytest.mark.full
def test_debug_profiler(cache_dir: Path, tmp_path: Path):
    """A trace that a browser shows, and a table."""
    train(cache_dir, tmp_path, "debug=profiler")
    (trace,) = (only_run(tmp_path) / "profile").glob("*.json")
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert "aten::mm" in names
    assert any("PolicyModule" in str(name) for name in names)
    assert "CPU total" in (only_run(tmp_path) / "profile" / "fit-profile.txt").read_text()


@pytest.mark.full
def test_lightnings_own_callbacks_on_two_ranks(cache_dir: Path, tmp_path: Path):
    """Beside ours, whose rows stay as they are; several choices are a list."""
    pytest.importorskip("psutil", reason="psutil is not installed")
    chosen = ["callbacks=[learning_rate,device_stats,model_summary,early_stopping]", "callbacks.early_stopping.k=4"]
    said = train(cache_dir, tmp_path, "debug=quick", "trainer=ddp_sim", *chosen, "extras.ignore_warnings=true")
    assert "0.1M parameters trained on 2 rank(s)" in said
    assert "Trainable params: 108 K" in said
    assert "Warning" not in said
    table = rows(only_run(tmp_path))
    assert [float(row["lr-AdamW"]) for row in table if row["lr-AdamW"]] == pytest.approx([1e-5, 2e-5, 3e-5])
    assert any(row["DeviceStatsMonitor.on_train_batch_end/cpu_percent"] for row in table)
    assert sum(bool(row["train/lr"]) for row in table) == 3


@pytest.mark.full
def test_debug_overfit_learns(quick):
    """One batch's problems for 60 rollouts: many more right answers than at first."""
    cfg = quick("debug=overfit", "algo=grpo", *SMALL[1:], "batch.group_size=8", "model.steps=700")
    run = fit(cfg)
    assert len(run.data.context.problems) == 8
    accuracy = [float(row["rollout/accuracy"]) for row in rows(Path(cfg.paths.run_dir)) if row["rollout/accuracy"]]
    assert len(accuracy) == 60
    assert sum(accuracy[-10:]) > 2 * sum(accuracy[:10]) > 0


@pytest.mark.full
def test_every_logger_at_once(cache_dir: Path, tmp_path: Path):
    """Without an account."""
    for package in ("tensorboard", "wandb", "mlflow", "trackio"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'rlvr[{package}]'")
    said = train(cache_dir, tmp_path, "debug=quick", "logger=many", "logger.wandb.offline=true", "tags=[dry]")
    assert "left out" not in said
    assert {path.name for path in only_run(tmp_path).iterdir()} >= {"tensorboard", "wandb", "mlflow", "metrics.csv"}
    assert (tmp_path / "trackio").is_dir()
