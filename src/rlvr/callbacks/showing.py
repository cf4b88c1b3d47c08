"""Completions of a few fixed problems, for loggers that show texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rlvr.eval import Evaluated
from rlvr.loggers import Tolerant
from rlvr.step import read_table
from rlvr.tables import Grid
from rlvr.types import Problem

PROBLEMS, SAMPLES = 4, 2  # so many of the first problems, and so many of the first samples of each
COLUMNS = ("problem_id", "sample", "status", "reward", "prompt", "text")


def show_completions(trainer: Any, problems: Sequence[Problem], evaluated: Evaluated | Path, step: int) -> None:
    """Hand the first completions of the first problems to the loggers that show texts: a collective.

    Args:
        trainer: Has the loggers, the same on all ranks.
        problems: Those that were evaluated.
        evaluated: This rank's part, or the file that holds all, where nothing had to be sampled.
        step: Optimizer steps that the policy has taken.
    """
    loggers = [logger for logger in trainer.loggers if isinstance(logger, Tolerant)]
    if not loggers:
        return
    names = [problem.id for problem in problems[:PROBLEMS]]
    if isinstance(evaluated, Path):
        here = trainer.is_global_zero and evaluated.exists()
        rows = _rows([read_table(evaluated, COLUMNS)], names) if here else []
    else:
        rows = evaluated.ranks.all_gather(_rows(evaluated.table_P, names))
    rows.sort(key=lambda row: (names.index(row[0]), int(row[1])))
    if trainer.is_global_zero:
        table = Grid("Completions", ["problem", "sample", "verdict", "reward", "prompt", "completion"], rows)
        for logger in loggers:
            logger.show("completions", table, step)


def _rows(tables: Iterable[pa.Table], names: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for table in tables:
        wanted = pc.and_(pc.is_in(table["problem_id"], pa.array(names)), pc.less(table["sample"], SAMPLES))
        found += [[str(row[name]) for name in COLUMNS] for row in table.filter(wanted).to_pylist()]
    return found
