"""A Hydra callback: when a sweep is over, its finished runs are shown side by side."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.markup import escape

from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.eval import RunRecord
from rlvr.eval.record import FILE_NAME
from rlvr.report.write import report_together


class JointReport(Callback):
    """Writes the joint table and figures into the multirun folder."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra after the last job."""
        sweep_dir = Path(config.hydra.sweep.dir)
        shown, left_out = comparable(sweep_dir)
        try:
            report_together(shown or [sweep_dir], sweep_dir)
        except ConfigError as error:
            console.print(f"[yellow]No joint table:[/] {escape(str(error))}")
            return
        if left_out:
            names = ", ".join(run.name for run in left_out)
            console.print(f"[yellow]Not in it:[/] {escape(names)}, since not every method has finished with that seed.")


def comparable(sweep_dir: Path) -> tuple[list[Path], list[Path]]:
    """The finished runs of a sweep that pair up, and those that do not.

    Only runs of equal seeds compare, and where jobs have failed some methods lack some seeds. Of all ways to take the
    methods with the most seeds and the seeds that these share, the one with the most runs is chosen.
    """
    seeds_of: dict[str, dict[int, Path]] = defaultdict(dict)
    finished = []
    for file in sorted(sweep_dir.glob(f"*/{FILE_NAME}")):
        record = RunRecord.read(file.parent)
        if all(split.trained for split in record.splits.values()):
            finished.append(file.parent)
            seeds_of[record.label][record.seed] = file.parent
    if len(finished) > sum(map(len, seeds_of.values())):  # a method twice with a seed, so a sweep over something else
        return finished, []
    ordered = sorted(seeds_of.values(), key=len, reverse=True)
    blocks = []
    for count in range(1, len(ordered) + 1):
        shared = set.intersection(*(set(runs) for runs in ordered[:count]))
        blocks.append([run for runs in ordered[:count] for seed, run in runs.items() if seed in shared])
    chosen = max(reversed(blocks), key=len, default=[])  # of equals the one with more methods
    return sorted(chosen), [run for run in finished if run not in chosen]
