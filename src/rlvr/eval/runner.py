"""Samples and grades a set of problems, and keeps the counts from which every Pass@k follows."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from rlvr.console import bar
from rlvr.eval.bootstrap import FloatArray, Interval, bootstrap_mean
from rlvr.eval.kept import write_kept
from rlvr.eval.pass_at_k import pass_at_k, powers_of_two
from rlvr.files import write_whole
from rlvr.ranks import Ranks
from rlvr.rollout import RolloutEngine, Sampling
from rlvr.step import sample_groups
from rlvr.types import Group, Problem
from rlvr.verify import Verifier


@dataclass(frozen=True)
class Evaluation:
    """A policy's results on a set of problems.

    Attributes:
        n: Samples a problem.
        problem_ids: The problems.
        correct: Right answers among n, by problem.
        mean_length: Mean completion length in tokens.
        truncated_share: Share of completions that the length limit ended.
        entropy: Mean of -log p over sampled tokens, in nats; the policy's entropy when sampled at T = 1, top_p = 1.
    """

    n: int
    problem_ids: tuple[str, ...]
    correct: tuple[int, ...]
    mean_length: float
    truncated_share: float
    entropy: float

    def by_problem(self, k: int) -> FloatArray:
        """Pass@k of each problem."""
        return np.asarray(pass_at_k(torch.tensor(self.correct), self.n, k).numpy())

    def pass_at(self, k: int) -> float:
        """Pass@k, mean over problems."""
        return float(self.by_problem(k).mean())

    def intervals(self) -> dict[int, Interval]:
        """Pass@k with a 95 % interval over problems, k in powers of two."""
        return {k: bootstrap_mean(self.by_problem(k)[None]) for k in powers_of_two(self.n)}

    @classmethod
    def read(cls, path: Path) -> "Evaluation":
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text()))

    @classmethod
    def from_json(cls, record: dict) -> "Evaluation":
        """Build from `asdict`'s record; further keys are left alone."""
        fields = {name: record[name] for name in cls.__dataclass_fields__}
        fields |= {name: tuple(record[name]) for name in ("problem_ids", "correct")}
        return cls(**fields)

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_whole(path, json.dumps(asdict(self)))


@dataclass(frozen=True)
class Graded:
    """This rank's part of an evaluation's samples.

    Attributes:
        groups: n graded completions of each problem.
        n: Samples a problem.
        ranks: Among which all problems were dealt out.
    """

    groups: Sequence[Group]
    n: int
    ranks: Ranks

    def counts(self) -> Evaluation:
        """What all figures and tables need, of all ranks' problems and the same on every rank: a collective."""
        ids, correct, tokens, truncated, logps = zip(*self.ranks.gather(list(map(_counted, self.groups))), strict=True)
        samples = self.n * len(ids)
        return Evaluation(
            self.n, ids, correct, sum(tokens) / samples, sum(truncated) / samples, -sum(logps) / sum(tokens)
        )

    def keep(self, path: Path) -> None:
        """Leave verdicts and texts for the report: a collective, the first rank writes."""
        write_kept(path, self.groups, self.ranks)


def _counted(group: Group) -> tuple[str, int, int, int, float]:
    return (
        group.problem.id,
        group.successes,
        sum(len(one.token_ids) for one in group.completions),
        sum(one.finish == "length" for one in group.completions),
        sum(sum(one.logps) for one in group.completions),
    )


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
) -> Graded:
    """Sample n completions of every problem in one engine call a rank and grade them.

    Args:
        engine: Is synced to `version` first, since evaluation may run between an update and the next rollout.
        verifier: Judges completions.
        problems: All problems; each rank takes its share.
        n: Samples a problem.
        sampling: Temperature, nucleus and length.
        version: Policy version to evaluate.
        seed: Seed of the sampling.
        title: What the progress bar says.
        ranks: Among which the problems are dealt out.
    """
    engine.sync(version)
    mine: Sequence[Problem] = ranks.share(problems)
    with bar(title, len(mine) * n, transient=True) as progress:
        groups = sample_groups(engine, verifier, mine, n, sampling, version, seed, on_sampled=progress.advance)
    engine.sleep()
    return Graded(groups, n, ranks)
