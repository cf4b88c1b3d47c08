"""Checkpoints that are whole or not there."""

import shutil
from pathlib import Path

import pytest
import torch

from rlvr.checkpoint import CheckpointStore, SafeCheckpointIO
from rlvr.checkpoint.store import MANIFEST, fault_of
from rlvr.checkpoint.weights import weights_of


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Three sealed checkpoints."""
    made = CheckpointStore(tmp_path)
    for step in (5, 10, 20):
        write(made, step)
        made.seal(step)
    return made


def write(store: CheckpointStore, step: int) -> None:
    weight = torch.arange(12.0).reshape(3, 4) + step
    state = {"a": weight, "tied": weight, "b": torch.ones(2)}
    SafeCheckpointIO().save_checkpoint({"state_dict": state, "global_step": step, "loops": {"x": 1}}, store.aside(step))


def test_what_was_sealed_is_read_back(store: CheckpointStore):
    """Tied weights under both names, the rest as it was; the newest first."""
    assert store.newest() == (store.path(20), [])
    checkpoint = SafeCheckpointIO().load_checkpoint(store.path(20))
    assert checkpoint["global_step"] == 20
    assert checkpoint["loops"] == {"x": 1}
    assert torch.equal(checkpoint["state_dict"]["tied"], torch.arange(12.0).reshape(3, 4) + 20)
    assert set(weights_of(store.path(20))) == {"a", "tied", "b"}


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
def test_a_cut_file_is_named_and_passed_over(store: CheckpointStore, name: str):
    """The one before is taken."""
    path = store.path(20) / name
    path.write_bytes(path.read_bytes()[:-7])
    found, faults = store.newest()
    assert found == store.path(10)
    assert name in faults[0]
    assert "cut short" in faults[0]


def test_any_flipped_byte_is_found(store: CheckpointStore):
    """In every file, the manifest too, at several places."""
    for path in sorted(store.path(20).iterdir()):
        content = path.read_bytes()
        for place in (0, len(content) // 3, len(content) - 2):
            flipped = bytearray(content)
            flipped[place] ^= 1
            path.write_bytes(bytes(flipped))
            assert fault_of(store.path(20)) is not None, (path.name, place)
        path.write_bytes(content)
    assert fault_of(store.path(20)) is None


def test_missing_files_and_no_manifest(store: CheckpointStore):
    """Both are named; with all three damaged there is none to take."""
    (store.path(20) / "state.pt").unlink()
    (store.path(10) / MANIFEST).unlink()
    (store.path(5) / MANIFEST).write_text("{")
    found, faults = store.newest()
    assert found is None
    assert "state.pt: the file is missing" in faults[0]
    assert "manifest.json can't be read" in faults[1]
    assert "manifest.json can't be read" in faults[2]


def test_what_a_killed_process_leaves_is_no_checkpoint(store: CheckpointStore):
    """Neither one that was being written nor one that was being removed; `clear` takes both away."""
    write(store, 30)
    store.path(5).rename(store.folder / ".gone-step-5")
    assert store.steps() == [20, 10]
    store.clear()
    assert sorted(path.name for path in store.folder.iterdir()) == ["step-10", "step-20"]


def test_only_the_newest_are_kept_and_a_step_can_be_written_again(store: CheckpointStore):
    """A run that goes on from an older checkpoint comes past the step of a newer one."""
    store.keep(2)
    assert store.steps() == [20, 10]
    write(store, 20)
    store.seal(20)
    assert fault_of(store.path(20)) is None


def test_pickled_code_is_not_run(store: CheckpointStore, tmp_path: Path):
    """A state file that would run a command when unpickled is refused, whoever sealed it."""

    class Evil:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "step-5"),))

    write(store, 40)
    torch.save({"ties": {}, "evil": Evil()}, store.aside(40) / "state.pt")
    store.seal(40)
    with pytest.raises(Exception, match="weights_only"):
        SafeCheckpointIO().load_checkpoint(store.path(40))
    assert store.path(5).exists()
