"""Writes what `make catalogue` has measured to docs/results/catalogue.csv: `python -m studies.catalogue SWEEP`.

A method that is in the table, but not in the sweep, keeps its line.
"""

import csv
import sys
from pathlib import Path

from omegaconf import OmegaConf

from rlvr.build.catalogue import BASE, MEASURED, measured
from rlvr.eval import Evaluation, RunRecord
from rlvr.sweep.job import finished

KS = (1, 16, 256)


def numbers(evaluation: Evaluation) -> dict[str, str]:
    """Pass@k in percent, by the table's columns."""
    return {f"Pass@{k}": f"{100 * evaluation.pass_at(k):.1f}" for k in KS}


def read(sweep: Path) -> dict[str, dict[str, str]]:
    """A line for each finished run, and for the base that they share."""
    lines: dict[str, dict[str, str]] = {}
    for run in sorted(path for path in sweep.iterdir() if finished(path)):
        given = dict(str(word).split("=", 1) for word in OmegaConf.load(run / ".hydra" / "overrides.yaml"))
        split = RunRecord.read(run).splits["heldout"]
        assert split.trained is not None
        assert lines.setdefault(BASE, numbers(split.base)) == numbers(split.base), f"{run} started from another base"
        lines[given["algo"]] = numbers(split.trained)
    return lines


def main() -> None:
    """Read the sweep, merge it with the table, and write the table."""
    lines = (measured() if MEASURED.exists() else {}) | read(Path(sys.argv[1]))
    names = [BASE, *sorted(set(lines) - {BASE})]
    with MEASURED.open("w", newline="") as file:
        table = csv.DictWriter(file, ["algo", *lines[BASE]], lineterminator="\n")
        table.writeheader()
        table.writerows({"algo": name, **lines[name]} for name in names)


if __name__ == "__main__":
    main()
