"""Shared by the tests that run whole trainings: composed configs and a base policy made once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

import rlvr  # noqa: F401  sets what must be set before torch is imported

CONFIGS = Path(__file__).parents[1] / "configs"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` for tests of many minutes."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests say why they are skipped."""
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes many minutes: make test-slow"))


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the base policy of all runs in this session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def quick(cache_dir: Path, tmp_path: Path) -> Callable[..., DictConfig]:
    """Composes a run of seconds, `debug=quick` with further overrides."""

    def composed(*overrides: str) -> DictConfig:
        run_dir = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        run_dir.mkdir()
        paths = [f"paths.cache_dir={cache_dir}", f"paths.log_dir={tmp_path}", f"paths.run_dir={run_dir}"]
        chosen = {override.partition("=")[0] for override in overrides}
        small = [] if {"data", "experiment"} & chosen else ["data.train_size=64", "data.heldout_size=16"]
        small += [] if {"model", "experiment"} & chosen else ["model.steps=20"]
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose("train", ["debug=quick", *paths, *small, *overrides])
        OmegaConf.resolve(cfg)
        return cfg

    return composed
