"""Four small trainings, two methods from two seeds, that the report's tests share."""

import json
import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from on_disk import N, Samples

from rlvr.build import build
from rlvr.build.profiles import profile_of
from rlvr.report import report_together, write_setting
from rlvr.report.profiles import rates, write_numbers

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
            write_numbers({algo: profile_of(cfg, rates())}, folder)
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


@pytest.fixture(scope="module")
def risen(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report over the same runs, had all learned: trainings of four steps seldom do, and then two tables are empty.

    With each step SELF solves one sample more of what the base solves at all, and GRPO two; but GRPO loses, after
    its second step, what the base solves least often.
    """
    folder = tmp_path_factory.mktemp("risen")
    for run in four_runs:
        shutil.copytree(run, folder / run.name)
        record = json.loads((folder / run.name / "pass_at_k.json").read_text())
        for results in record["splits"].values():
            base = results["path"]["0"]["correct"]
            for step, point in results["path"].items():
                more = int(step) * (2 if "grpo" in run.name else 1)
                point["correct"] = [min(N, count + more) if step != "0" and count else count for count in base]
                if "grpo" in run.name and int(step) > 2:
                    weakest = min(count for count in base if count)
                    point["correct"] = [
                        0 if count == weakest else now for count, now in zip(base, point["correct"], strict=True)
                    ]
        (folder / run.name / "pass_at_k.json").write_text(json.dumps(record))
    report_together([folder / run.name for run in four_runs], folder / "report")
    return folder / "report"
