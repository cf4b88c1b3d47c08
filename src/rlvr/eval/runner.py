"""A run's evaluation: samples and grades a set of problems on all ranks, in one go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr.console import bar
from rlvr.eval.evaluation import Counts, Evaluation
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling
from rlvr.step import Row, rows_of, sample_groups, write_rows
from rlvr.types import Problem
from rlvr.verify import Verifier

# Above so many characters only a few texts of every problem are written: the first that are right and the first that
# are not. 500 problems x 256 short answers are 1 million, the same number of long derivations 1,000 million.
ALL_TEXTS = 2**25
FEW = 4


def sample_file(run_dir: Path, split: str, policy: str) -> Path:
    """Where a run leaves the samples of an evaluation; `policy` is base or trained."""
    return run_dir / "evaluations" / f"{split}-{policy}.parquet"


@dataclass(frozen=True)
class Evaluated:
    """This rank's part of an evaluation's samples.

    Attributes:
        rows_PN: n graded samples of each problem.
        n: Samples a problem.
        ranks: Among which all problems were dealt out.
    """

    rows_PN: Sequence[Sequence[Row]]
    n: int
    ranks: Ranks

    def counts(self) -> Evaluation:
        """What all figures and tables need, of all ranks' problems and the same on every rank: a collective."""
        return Evaluation.of(self.n, self.ranks.gather([Counts.of(rows) for rows in self.rows_PN]))

    def write(self, path: Path) -> None:
        """Leave every verdict, and the texts as far as they stay small: a collective, the first rank writes."""
        size = sum(self.ranks.all_gather([sum(len(row["text"]) for rows in self.rows_PN for row in rows)]))
        mine = [rows if size <= ALL_TEXTS else few_texts(rows) for rows in self.rows_PN]
        rows = [row for of_problem in self.ranks.gather(mine) for row in of_problem]
        if self.ranks.rank == 0:
            write_rows(path, rows)


def few_texts(rows: Sequence[Row]) -> Sequence[Row]:
    """One problem's samples, without the texts that come after the first `FEW` of their kind."""
    seen: Counter[bool] = Counter()
    fewer = []
    for row in rows:
        right = row["status"] == "right"
        fewer.append(row if seen[right] < FEW else {**row, "text": None})
        seen[right] += 1
    return fewer


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
    return Evaluated([rows_of(group) for group in groups], n, ranks)
