"""Loggers show completions, figures and files, each library's own way, without a network."""

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch

from rlvr.callbacks.showing import show_completions
from rlvr.eval.runner import Evaluated
from rlvr.loggers import Tolerant, TrackioLogger, mlflow_logger, wandb_logger
from rlvr.ranks import Ranks
from rlvr.report.sending import send_report
from rlvr.step import table_of
from rlvr.types import Completion, Group, Problem, Verdict

ALONE = Ranks(0, 1)
PROBLEMS = [Problem(f"problem-{index}", f"What is {index} | 1?", (0,), "1") for index in range(6)]


def evaluated(ranks: Ranks = ALONE) -> Evaluated:
    """Six problems with three samples each, the first of them right; this rank's part of them."""
    rollouts = tuple(Completion((1,), (0.0,), f"It is {place}.", "stop") for place in range(3))
    verdicts = (Verdict("right", 1.0), Verdict("wrong", 0.0), Verdict("wrong", 0.0))
    tables = [table_of([Group(problem, rollouts, verdicts, 7)]) for problem in PROBLEMS]
    return Evaluated(ranks.shard(tables), 3, ranks)


def shown(logger: Any, run_dir: Path) -> None:
    """What a run hands to its loggers: numbers, completions, its curve and its report."""
    (run_dir / "figures").mkdir(parents=True)
    matplotlib.image.imsave(run_dir / "figures/pass_at_k.png", np.zeros((4, 6, 3)))
    (run_dir / "pass_at_k.md").write_text("| k | 1 |\n")
    tolerant = Tolerant(logger)
    tolerant.log_metrics({"eval/pass@1": 0.5}, step=7)
    trainer = SimpleNamespace(loggers=[tolerant], is_global_zero=True)
    show_completions(trainer, PROBLEMS, evaluated(), 7)
    send_report(run_dir, trainer.loggers, 7)
    assert tolerant._logger is not None, "it raised"


def test_tensorboard(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'rlvr[tensorboard]'")
    from lightning.pytorch.loggers import TensorBoardLogger
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown(TensorBoardLogger(str(tmp_path), name="tb", version=""), tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "tb")).Reload()
    first_of_all_problems(events)
    (image,) = events.Images("pass_at_k")
    assert (image.width, image.height, image.step) == (6, 4, 7)
    assert "| k | 1 |" in str(events.Tensors("report/pass_at_k.md/text_summary")[0].tensor_proto)


def first_of_all_problems(events: Any) -> None:
    """Two samples of each of the first four problems, in order."""
    (completions,) = events.Tensors("completions/text_summary")
    text = completions.tensor_proto.string_val[0].decode()
    assert completions.step == 7
    assert re.findall(r"problem-(\d)", text) == list("00112233")
    assert text.count("| right | 1.0 |") == 4
    assert text.count(r"What is 3 \| 1?") == 2


def _on_one_of_two(rank: int, file: str, folder: str) -> None:
    """One process of two: each has every second problem, and the first one's logger shows."""
    from lightning.pytorch.loggers import TensorBoardLogger
    from lightning.pytorch.utilities import rank_zero_only

    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    rank_zero_only.rank = rank  # as Lightning's strategies say it
    logger = Tolerant(TensorBoardLogger(folder, name="tb", version=""))
    trainer = SimpleNamespace(loggers=[logger], is_global_zero=rank == 0)
    show_completions(trainer, PROBLEMS, evaluated(Ranks(rank, 2)), 7)
    logger.save()
    torch.distributed.destroy_process_group()


@pytest.mark.full
def test_on_two_ranks(tmp_path: Path):
    """The first problems are dealt out, and shown by one rank, all of them."""
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'rlvr[tensorboard]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = (str(tmp_path / "meet"), str(tmp_path))
    torch.multiprocessing.start_processes(_on_one_of_two, arguments, nprocs=2, start_method="spawn")
    first_of_all_problems(EventAccumulator(str(tmp_path / "tb")).Reload())


@pytest.mark.full
def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'rlvr[wandb]'")
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = wandb_logger(offline=True, save_dir=str(tmp_path), project="rlvr")
    shown(logger, tmp_path / "run")
    logger.experiment.finish()
    media = sorted(path.parent.name for path in tmp_path.glob("wandb/offline-run-*/files/media/*/*"))
    assert media == ["images", "table"]
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/*.json")
    assert table.read_text().count("It is 0.") == 4


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'rlvr[mlflow]'")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = mlflow_logger(None, str(tmp_path), ["dry", "first"], experiment_name="rlvr", run_name="seed0")
    shown(logger, tmp_path / "run")
    tags = logger.experiment.get_run(logger.run_id).data.tags
    assert (tags["dry"], tags["first"]) == ("true", "true")
    kept = {path.name: path for path in tmp_path.glob("mlflow/*/*/artifacts/**/*.*")}
    assert set(kept) == {"step-7.md", "pass_at_k.png", "pass_at_k.md"}
    assert kept["step-7.md"].read_text().count("It is 0.") == 4


def test_trackio_is_told_its_folder_before_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Completions are shown before there are metrics."""
    monkeypatch.setenv("TRACKIO_DIR", "")  # so that it is as before after the test
    monkeypatch.delenv("TRACKIO_DIR")
    TrackioLogger(str(tmp_path / "trackio"), "rlvr", "seed0")
    assert os.environ["TRACKIO_DIR"] == str(tmp_path / "trackio")


def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # before it is imported
    trackio = pytest.importorskip("trackio", reason="trackio is not installed: pip install 'rlvr[trackio]'")
    logger = TrackioLogger(str(tmp_path / "trackio"), "rlvr", "seed0")
    shown(logger, tmp_path / "run")
    logger.experiment.finish()
    assert list((tmp_path / "trackio").glob("**/*.png"))
    (run,) = trackio.Api().runs("rlvr")
    assert run.name == "seed0"


def test_one_that_fails_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Whatever it was handed."""

    def broken(self: Any) -> Any:
        raise OSError("no server")

    monkeypatch.setattr(TrackioLogger, "experiment", property(broken))
    trainer = SimpleNamespace(loggers=[Tolerant(TrackioLogger(str(tmp_path), "rlvr", "seed0"))], is_global_zero=True)
    show_completions(trainer, PROBLEMS, evaluated(), 7)
    show_completions(trainer, PROBLEMS, evaluated(), 8)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("TrackioLogger is left out from here on") == 1
