"""Follows docs/adding_a_method.md: writes its files, runs its commands, and compares with what ships."""

from pathlib import Path

import pytest
from followed import ROOT, commands, files, run, started_in

PAGE = (ROOT / "docs" / "adding_a_method.md").read_text()
SMALL = ["model.steps=700", "data.train_size=64", "data.heldout_size=16"]


@pytest.mark.full
def test_the_page(cache_dir: Path, tmp_path: Path):
    """Its golden test passes, its profile is GRPO's, and its run ends where `algo=cispo` does, to the bit."""
    started_in(tmp_path, PAGE)
    test, profile, train = commands(PAGE)
    assert "1 passed" in run(tmp_path, test)
    assert "1.41" in run(tmp_path, [*profile, "hydra.run.dir=profile"])
    small = [*SMALL, f"paths.cache_dir={cache_dir}"]
    run(tmp_path, [*train, *small, "hydra.run.dir=mine"])
    shipped = [word.replace("my_cispo", "cispo") for word in train if "my_methods" not in word and word[:2] != "--"]
    run(tmp_path, [*shipped, *small, "hydra.run.dir=shipped"])
    mine, theirs = ((tmp_path / run / "policy" / "model.safetensors").read_bytes() for run in ("mine", "shipped"))
    assert mine == theirs
    (copy,) = (tmp_path / "mine" / "plugins").iterdir()
    assert copy.read_text() == files(PAGE)["my_methods/surrogates.py"]
    assert f"_target_: {copy.stem}.cispo" in (tmp_path / "mine" / "config.yaml").read_text()
    assert not (tmp_path / "shipped" / "plugins").exists()
