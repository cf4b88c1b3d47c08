"""Reads which claims the ledgers of runs and evaluations make, and finds the policies to draw fresh samples from."""

from collections.abc import Sequence
from pathlib import Path

from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.eval import Evaluation, Outcome
from rlvr.eval.claims import KINDS, claims
from rlvr.eval.confirmation import Policy, Wanted
from rlvr.eval.ledger import Kind
from rlvr.eval.outcome import FILE_NAME as OUTCOME
from rlvr.report.runs import RunFolder, read_folders

CONFIG = "config.yaml"


def claimed(folders: Sequence[Path]) -> list[Wanted]:
    """The claims of every finished run and evaluation among `folders`.

    Raises:
        ConfigError: When none is finished, or a run's folder has no config or no policy.
    """
    runs = read_folders(folders, console.print)
    return [_of_suite(run, folders) if run.texts else _of_run(run) for run in runs]


def _of_run(run: RunFolder) -> Wanted:
    for name in (CONFIG, "policy"):
        if not (run.folder / name).exists():
            raise ConfigError(f"runs: {run.folder} has no {name}, by which its policy could be sampled again.")
    return _wanted(run, Policy(run.folder), Policy(run.folder, run.folder / "policy"))


def _of_suite(run: RunFolder, folders: Sequence[Path]) -> Wanted:
    """The claims of an evaluation of a run's policy. Its base was evaluated in another of the given folders."""
    base = next(outcome for _, policy, outcome in run.texts if policy == "base")
    places = [path.parent for folder in folders for path in (folder / OUTCOME, *folder.glob(f"*/{OUTCOME}"))]
    found = [place for place in places if (place / OUTCOME).is_file() and Outcome.read(place) == base]
    return _wanted(run, Policy(found[0]), Policy(run.folder))


def _wanted(run: RunFolder, base: Policy, now: Policy) -> Wanted:
    made = {
        name: _claims(split.base, split.trained)
        for name, split in run.record.splits.items()
        if split.trained is not None
    }
    return Wanted(run.folder, base, now, next(iter(run.record.splits.values())).base.n, made)


def _claims(base: Evaluation, now: Evaluation) -> list[tuple[str, Kind]]:
    found = claims(base, now)
    return [(change.problem_id, kind) for kind in KINDS for change in found.of(kind)]
