"""A run's evaluation: samples and grades a set of problems on all ranks, in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rlvr.console import bar
from rlvr.eval.evaluation import Counts, Evaluation
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling
from rlvr.step import sample_groups, table_of, write_table
from rlvr.step.table import with_columns
from rlvr.types import Problem
from rlvr.verify import Verifier

# Above so many characters only a few texts of every problem are written: the first that are right and the first that
# are not. 500 problems x 256 short answers are 1 million, the same number of long derivations 1,000 million.
ALL_TEXTS = 2**25
FEW = 4


@dataclass(frozen=True)
class Evaluated:
    """This rank's part of an evaluation's samples.

    Attributes:
        table_P: The graded samples of each problem, n rows.
        n: Samples a problem.
        ranks: Among which all problems were dealt out.
    """

    table_P: Sequence[pa.Table]
    n: int
    ranks: Ranks

    def counts(self) -> Evaluation:
        """What all figures and tables need, of all ranks' problems and the same on every rank: a collective."""
        return Evaluation.of(self.n, self.ranks.gather([Counts.of(table) for table in self.table_P]))

    def write(self, path: Path) -> None:
        """Leave every verdict, and the texts as far as they stay small: a collective, the first rank writes."""
        size = sum(self.ranks.all_gather([sum(map(characters, self.table_P))]))
        mine = [table if size <= ALL_TEXTS else few_texts(table) for table in self.table_P]
        tables = self.ranks.gather(mine)
        if self.ranks.rank == 0:
            write_table(path, pa.concat_tables(tables))


def characters(table: pa.Table) -> int:
    """Of all texts together."""
    return int(pc.sum(pc.utf8_length(table["text"])).as_py())


def few_texts(table: pa.Table) -> pa.Table:
    """One problem's samples, without the texts that come after the first `FEW` of their kind."""
    right_N = pc.equal(table["status"], "right").to_numpy()
    place_N = np.where(right_N, right_N.cumsum(), (~right_N).cumsum())
    return with_columns(table, text=pc.if_else(pa.array(place_N <= FEW), table["text"], None))


def evaluate(
    engine: RolloutEngine,
    verifier: Verifier,
    problems: Sequence[Problem],
    n: int,
    sampling: Sampling,
    version: int,
    seed: int,
    title: str,
    ranks: Ranks,
) -> Evaluated:
    """Sample n completions of every problem in one engine call a rank and grade them.

    Args:
        engine: Is synced to `version` first, since evaluation may run between an update and the next rollout.
        verifier: Judges completions.
        problems: All problems; each rank takes its part.
        n: Samples a problem.
        sampling: Temperature, nucleus and length.
        version: Policy version to evaluate.
        seed: Seed of the sampling.
        title: What the progress bar says.
        ranks: Among which the problems are dealt out.
    """
    engine.sync(version)
    mine: Sequence[Problem] = ranks.shard(problems)
    with bar(title, len(mine) * n, transient=True) as progress:
        groups = sample_groups(engine, verifier, mine, n, sampling, version, seed, on_sampled=progress.advance)
    engine.sleep()
    return Evaluated([table_of([group]) for group in groups], n, ranks)
