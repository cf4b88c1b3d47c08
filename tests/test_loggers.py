"""Metrics are kept exactly, and nobody else's service stops a training."""

import csv
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from rlvr.loggers import MetricsCsv, Tolerant, wandb_id, wandb_logger


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_metric_seen_late_gets_a_column(tmp_path: Path):
    logger = MetricsCsv(tmp_path / "metrics.csv")
    logger.log_metrics({"reward": 0.5}, step=1)
    logger.log_metrics({"reward": 0.25, "skipped": 1.0}, step=2)
    assert rows(logger.path) == [
        {"step": "1", "reward": "0.5", "skipped": ""},
        {"step": "2", "reward": "0.25", "skipped": "1.0"},
    ]


def test_a_run_that_goes_on_drops_what_it_does_again(tmp_path: Path):
    """Rows after the checkpoint, and the half of one that a kill has left."""
    first = MetricsCsv(tmp_path / "metrics.csv")
    for step in (1, 2, 3):
        first.log_metrics({"reward": step / 4}, step=step)
    with first.path.open("a") as file:
        file.write("4")
    second = MetricsCsv(first.path)
    second.resume(2)
    second.log_metrics({"reward": 1.0}, step=3)
    assert [(row["step"], row["reward"]) for row in rows(first.path)] == [("1", "0.25"), ("2", "0.5"), ("3", "1.0")]


def test_a_logger_that_fails_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Its first error is told, and it is not asked again."""
    (tmp_path / "file").touch()
    logger = Tolerant(MetricsCsv(tmp_path / "file" / "metrics.csv"))
    logger.log_metrics({"reward": 0.5}, step=1)
    logger.log_metrics({"reward": 0.5}, step=2)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("MetricsCsv is left out from here on") == 1
    assert "File exists" in said


def test_wandb_goes_on_with_the_same_run(tmp_path: Path):
    """A process that goes on in a folder adds to its curves; another folder is another run."""
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'rlvr[wandb]'")
    kept = {"offline": True, "save_dir": str(tmp_path), "project": "rlvr"}
    first, again = (wandb_logger(tags=OmegaConf.create(["dry"]), **kept) for _ in range(2))
    assert first._wandb_init["tags"] == ["dry"]
    assert first.version == again.version == wandb_id(tmp_path)
    assert wandb_id(tmp_path / "other") != wandb_id(tmp_path)
