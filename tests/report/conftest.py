"""Four small trainings, two methods from two seeds, that the report's tests share."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from on_disk import Samples

from rlvr.build import build
from rlvr.report import report_together, write_setting

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = [
    "data.numbers=3",
    "data.train_size=64",
    "data.heldout_size=24",
    "model.steps=150",
    "trainer.max_steps=4",
    "optimizer.lr=3e-4",
]
EVALUATION = ["eval.n=16", "eval.every_n_steps=1", "eval.path_problems=12", "eval.train_problems=16", "warmup_steps=0"]


@pytest.fixture(scope="session")
def four_runs(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of GRPO and SELF with seeds 0 and 1."""
    log_dir = tmp_path_factory.mktemp("four")
    folders = []
    for algo in ("grpo", "self"):
        for seed in (0, 1):
            folder = log_dir / f"{algo}{seed}"
            folder.mkdir()
            paths = [f"paths.cache_dir={cache_dir}", f"paths.log_dir={log_dir}", f"paths.run_dir={folder}"]
            with initialize_config_dir(str(CONFIGS), version_base="1.3"):
                watched = ["callbacks=interference"] if algo == "grpo" else []
                chosen = ["debug=quick", f"algo={algo}", f"seed={seed}", *watched]
                cfg = compose("train", [*chosen, *paths, *SMALL, *EVALUATION])
            OmegaConf.resolve(cfg)
            OmegaConf.save(cfg, folder / "config.yaml")
            write_setting(folder)
            run = build(cfg)
            run.trainer.fit(run.module, datamodule=run.data, weights_only=True)
            folders.append(folder)
    return folders


@pytest.fixture(scope="module")
def report(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's folder."""
    folder = tmp_path_factory.mktemp("report")
    report_together(four_runs, folder)
    return folder


@pytest.fixture(scope="module")
def samples(four_runs: list[Path]) -> Samples:
    return Samples(four_runs)
