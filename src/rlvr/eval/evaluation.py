"""The record of an evaluation: the counts from which every Pass@k follows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rlvr.eval.bootstrap import FloatArray, Interval, bootstrap_mean
from rlvr.eval.pass_at_k import pass_at_k, powers_of_two
from rlvr.files import write_whole

Curve = Mapping[int, Interval]
"""A quantity with its interval by k, in powers of two."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an evaluation needs of one problem's samples; `logp` is the sum of all of them, in nats."""

    problem_id: str
    correct: int
    tokens: int
    truncated: int
    logp: float

    @classmethod
    def of(cls, table: pa.Table) -> "Counts":
        """Count the samples of one problem."""
        return cls(
            problem_id=table["problem_id"][0].as_py(),
            correct=pc.sum(pc.equal(table["status"], "right")).as_py(),
            tokens=pc.sum(table["tokens"]).as_py(),
            truncated=pc.sum(pc.equal(table["finish"], "length")).as_py(),
            logp=sum(table["logp"].to_pylist()),  # in a fixed order, so that the sum is the same however it is stored
        )


@dataclass(frozen=True)
class Evaluation:
    """A policy's results on a set of problems.

    Attributes:
        n: Samples a problem.
        problem_ids: The problems.
        correct: Right answers among n, by problem.
        mean_length: Mean completion length in tokens.
        truncated_share: Fraction of completions that the length limit ended.
        entropy: Mean of -log p over sampled tokens, in nats; the policy's entropy when sampled at T = 1, top_p = 1.
    """

    n: int
    problem_ids: tuple[str, ...]
    correct: tuple[int, ...]
    mean_length: float
    truncated_share: float
    entropy: float

    @classmethod
    def of(cls, n: int, counts: Sequence[Counts]) -> "Evaluation":
        """Put all problems together, n samples each."""
        samples, tokens = n * len(counts), sum(one.tokens for one in counts)
        return cls(
            n=n,
            problem_ids=tuple(one.problem_id for one in counts),
            correct=tuple(one.correct for one in counts),
            mean_length=tokens / samples,
            truncated_share=sum(one.truncated for one in counts) / samples,
            entropy=-sum(one.logp for one in counts) / tokens,
        )

    def by_problem(self, k: int) -> FloatArray:
        """Pass@k of each problem."""
        return pass_at_k(self.correct, self.n, k)

    def pass_at(self, k: int) -> float:
        """Pass@k, mean over problems."""
        return float(self.by_problem(k).mean())

    def intervals(self) -> dict[int, Interval]:
        """Pass@k with a 95 % interval over problems, k in powers of two."""
        return {k: bootstrap_mean(self.by_problem(k)[None]) for k in powers_of_two(self.n)}

    def write(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_whole(path, json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Evaluation":
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text()))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Evaluation":
        """Build from `asdict`'s record; further keys are left alone."""
        fields = {name: record[name] for name in cls.__dataclass_fields__}
        return cls(**fields | {name: tuple(record[name]) for name in ("problem_ids", "correct")})


def curves_to_json(curves: Mapping[str, Curve]) -> dict[str, dict[int, dict[str, float]]]:
    """Curves as every document holds them: by name and k, each with mean, low and high."""
    return {name: {k: asdict(interval) for k, interval in curve.items()} for name, curve in curves.items()}


def curve_from_json(curve: Mapping[str, Mapping[str, float]]) -> dict[int, Interval]:
    """One of the curves that `curves_to_json` made."""
    return {int(k): Interval(**interval) for k, interval in curve.items()}
