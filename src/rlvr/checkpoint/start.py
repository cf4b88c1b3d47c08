"""Where a run starts: at the beginning, or at a checkpoint of an earlier process."""

import os
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from rlvr.checkpoint.changes import Change, changes
from rlvr.checkpoint.store import CheckpointStore, fault_of
from rlvr.console import console, is_first_rank
from rlvr.errors import ConfigError
from rlvr.eval import RunRecord
from rlvr.eval.record import FILE_NAME

CHECKPOINTS = "checkpoints"  # in a run's folder
CONFIG = "config.yaml"  # in a checkpoint's
SHOWN = 6  # changed settings in a sentence
VOUCHED = "RLVR_CHECKPOINT"  # names, for the ranks that rank 0 starts, the checkpoint that it has read and found sound


def newest_run(fresh: str) -> str:
    """The folder beside `fresh` that has the newest checkpoints; `fresh` itself where none has any."""
    stores = [path for path in Path(fresh).parent.glob(f"*/{CHECKPOINTS}") if CheckpointStore(path).steps()]
    return str(max(stores, key=lambda path: path.stat().st_mtime).parent) if stores else fresh


@dataclass(frozen=True)
class StartingPoint:
    """Where a process starts.

    Attributes:
        checkpoint: To go on from; None: the beginning.
        finished: Nothing is left to do.
        notes: What the person should know: checkpoints passed over, settings that changed.
    """

    checkpoint: Path | None
    finished: bool
    notes: tuple[str, ...]

    def show(self, run_dir: Path) -> None:
        """Say in the terminal where the run starts, unless that is the beginning of a new one."""
        for note in self.notes:
            console.print(f"[yellow]{escape(note)}[/]")
        if self.finished:
            console.print(f"This run is finished: [bold]{run_dir}[/]")
        elif self.checkpoint:
            console.print(f"Going on from [bold]{self.checkpoint}[/]")


def starting_point(cfg: DictConfig, run_dir: Path) -> StartingPoint:
    """Find the checkpoint that `ckpt_path` names, and verify it.

    Rank 0 reads every byte of it and the others look at sizes, so that a checkpoint of 100 GB is read once. The
    callback that writes checkpoints makes sure that all ranks go on from the same one.

    Raises:
        ConfigError: When it names no sound checkpoint, or when the config has changed in what a run can't change.
    """
    if cfg.ckpt_path is None:
        return StartingPoint(None, False, ())
    digests = is_first_rank()
    if cfg.ckpt_path != "last":
        checkpoint = Path(cfg.ckpt_path)
        if fault := fault_of(checkpoint, digests):
            raise ConfigError(f"ckpt_path={cfg.ckpt_path}: {fault} ckpt_path=last takes the newest one that is whole.")
        return StartingPoint(checkpoint, False, _changed(cfg, checkpoint))
    if finished(run_dir):
        return StartingPoint(None, True, ())
    newest, faults = _newest(CheckpointStore(run_dir / CHECKPOINTS), digests)
    notes = tuple(f"Passed over {fault}" for fault in faults)
    if newest is None:
        if faults:
            raise ConfigError(
                f"ckpt_path=last: no checkpoint in {run_dir / CHECKPOINTS} is whole; {faults[0]} Start again with "
                "ckpt_path=null in another folder."
            )
        return StartingPoint(None, False, ())
    return StartingPoint(newest, False, (*notes, *_changed(cfg, newest)))


def _newest(store: CheckpointStore, digests: bool) -> tuple[Path | None, list[str]]:
    """The newest sound checkpoint; ranks that Lightning starts from rank 0 take the one that it has read."""
    if not digests and VOUCHED in os.environ:
        return Path(os.environ[VOUCHED]), []
    newest, faults = store.newest(digests)
    if digests and newest:
        os.environ[VOUCHED] = str(newest)
    return newest, faults


def finished(run_dir: Path) -> bool:
    """Whether the run of this folder has evaluated its trained policy and saved it."""
    if not (run_dir / FILE_NAME).is_file() or not (run_dir / "policy").is_dir():
        return False
    splits = RunRecord.read(run_dir).splits
    return bool(splits) and all(split.trained for split in splits.values())


def _changed(cfg: DictConfig, checkpoint: Path) -> tuple[str, ...]:
    old = OmegaConf.load(checkpoint / CONFIG)
    assert isinstance(old, DictConfig)
    found = changes(old, cfg)
    refused = [change for change in found if change.fixed]
    if refused and not cfg.allow_changes:
        raise ConfigError(
            f"ckpt_path={cfg.ckpt_path}: the run was started with other settings, which would make it two runs in one "
            f"({_list(refused)}); set them back, start a new run, or insist with allow_changes=true."
        )
    return (f"Settings changed since the checkpoint: {_list(found)}",) if found else ()


def _list(found: list[Change]) -> str:
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(map(str, found[:SHOWN])) + more
