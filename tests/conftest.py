"""Shared by the tests that run whole trainings: composed configs, and a base policy made once."""

import os

# One thread a process, here and in what it starts: two test processes run side by side on two cores. Torch reads these
# when it is imported.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

import rlvr  # noqa: F401  sets what must be set before torch is imported

CONFIGS = Path(__file__).parents[1] / "configs"
TIERS = {"full": "takes part in make test-all only", "slow": "takes many minutes: make test-slow"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` and `--slow` for tests beyond the first ten minutes'."""
    for tier, why in TIERS.items():
        parser.addoption(f"--{tier}", action="store_true", help=f"run the tests marked {tier}, too: each {why}")


# With several test processes a file goes to the one that is free; what takes longest starts first, or one process would
# be alone with it at the end.
LONGEST = [
    *("test_resume", "test_faults", "test_parity", "test_export", "test_two_nodes", "test_real_model", "test_sweep"),
    *("test_evaluation", "test_soak", "test_mismatch", "test_sharded_loading", "test_training", "test_commands"),
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; tests that are left out say why."""
    place = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))  # stable: the others keep their order
    for tier, why in TIERS.items():
        if not config.getoption(f"--{tier}"):
            for item in items:
                if item.get_closest_marker(tier):
                    item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the base policies of all runs in this session, those of other test processes among them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


def composer(cache_dir: Path, folder: Path) -> Callable[..., DictConfig]:
    """Composes runs of seconds, `debug=quick` with further overrides, each with a folder of its own."""

    def composed(*overrides: str) -> DictConfig:
        run_dir = folder / f"run-{len(list(folder.iterdir()))}"
        run_dir.mkdir()
        paths = [f"paths.cache_dir={cache_dir}", f"paths.log_dir={folder}", f"paths.run_dir={run_dir}"]
        chosen = {override.partition("=")[0] for override in overrides}
        small = [] if {"data", "experiment"} & chosen else ["data.train_size=64", "data.heldout_size=16"]
        small += [] if {"model", "experiment"} & chosen else ["model.steps=20"]
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose("train", ["debug=quick", *paths, *small, *overrides])
        OmegaConf.resolve(cfg)
        return cfg

    return composed


@pytest.fixture
def quick(cache_dir: Path, tmp_path: Path) -> Callable[..., DictConfig]:
    """See `composer`."""
    return composer(cache_dir, tmp_path)


@pytest.fixture(scope="module")
def quick_module(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DictConfig]:
    """The same for what a module's tests share."""
    return composer(cache_dir, tmp_path_factory.mktemp("runs"))
