"""Claims of a ledger put to the test in fresh samples: the file `confirmation.json` of a run or an evaluation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import lgamma, log, log1p
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.ledger import Kind
from rlvr.eval.multiple import LEVEL, false_discovery, surely
from rlvr.files import write_whole

FILE_NAME = "confirmation.json"
Verdict = Literal["confirmed", "refuted", "open"]


@dataclass(frozen=True)
class Fresh:
    """A claim, and right answers to its problem among fresh samples, as many of base and trained policy."""

    problem_id: str
    kind: Kind
    base: int
    now: int


@dataclass(frozen=True)
class Judged:
    """A claim and what the fresh samples say of it; `p` is the chance of evidence this strong if it is false."""

    fresh: Fresh
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Tempered:
    """Fresh samples for the confirmed losses at another temperature, as many as at the evaluation's."""

    temperature: float
    drawn: tuple[Fresh, ...]


@dataclass(frozen=True)
class Confirmation:
    """Fresh samples for the claims of one policy on one set of problems.

    Attributes:
        n: Samples a problem in the evaluation that made the claims.
        samples: Fresh ones a problem and policy.
        drawn: Every claim.
        tempered: Confirmed losses at other temperatures.
    """

    n: int
    samples: int
    drawn: tuple[Fresh, ...]
    tempered: tuple[Tempered, ...] = ()

    def judged(self) -> list[Judged]:
        """Each claim confirmed, refuted or open: false ones are at most 5 % of those confirmed, on average.

        A problem is within reach where a policy solves it at a rate of 1/n or more, so that n samples bring one right
        answer on average; it is lost when it is within the base's reach and not within the trained policy's, and won
        the other way round. Confirmed: both are shown. p is the larger of the two exact binomial tails (Berger's
        intersection-union test, Technometrics 24(4), 1982). Refuted: one of the two is shown to be false, by twice the
        smaller of the opposite tails (Bonferroni). Over the claims of this set `false_discovery` controls either.
        Assumes that samples are independent, and that none of them had a part in the claim; nothing else.
        """
        below, above = tails(self.samples, 1 / self.n)
        sides = [(one.base, one.now) if one.kind == "loss" else (one.now, one.base) for one in self.drawn]
        within, without = np.array(sides, dtype=np.int64).reshape(-1, 2).T
        p_N = np.maximum(above[within], below[without])
        against_N = np.minimum(2 * np.minimum(below[within], above[without]), 1)
        adjusted_N, refuted_N = (false_discovery(each, len(sides)) for each in (p_N, against_N))
        shown = zip(self.drawn, p_N.tolist(), adjusted_N.tolist(), refuted_N.tolist(), strict=True)
        return [Judged(one, p, _verdict(adjusted, refuted)) for one, p, adjusted, refuted in shown]

    def surely(self, kind: Kind) -> int:
        """How many claims of a kind are true, at least, with 95 % confidence (Holm over the claims of both kinds)."""
        p = [one.p for one in self.judged() if one.fresh.kind == kind]
        return surely(np.array(p), len(self.drawn))

    def losses(self) -> list[str]:
        """The problems whose loss is confirmed."""
        return [one.fresh.problem_id for one in self.judged() if (one.verdict, one.fresh.kind) == ("confirmed", "loss")]

    def back(self, tempered: Tempered) -> int:
        """How many confirmed losses the trained policy solves at a rate of 1/n or more at another temperature."""
        return sum(one.now * self.n >= self.samples for one in tempered.drawn)

    def gone(self, tempered: Tempered) -> int:
        """How many of them the base solves more rarely than that at this temperature."""
        return sum(one.base * self.n < self.samples for one in tempered.drawn)


def _verdict(adjusted: float, refuted: float) -> Verdict:
    if adjusted <= LEVEL:
        return "confirmed"
    return "refuted" if refuted <= LEVEL else "open"


@lru_cache(maxsize=8)
def tails(samples: int, rate: float) -> tuple[FloatArray, FloatArray]:
    """P(C <= c) and P(C >= c) for c = 0 .. samples right answers at a success rate, each [samples + 1]."""
    ways = np.array([lgamma(samples + 1) - lgamma(c + 1) - lgamma(samples - c + 1) for c in range(samples + 1)])
    right = np.arange(samples + 1)
    odds = right * log(rate) + (samples - right) * log1p(-rate) if rate < 1 else np.where(right == samples, 0, -np.inf)
    chance = np.exp(ways + odds)  # logs: no float holds so many ways
    return np.minimum(np.cumsum(chance), 1), np.minimum(np.cumsum(chance[::-1])[::-1], 1)


@dataclass(frozen=True)
class Policy:
    """Where a policy and the settings of its evaluation are.

    Attributes:
        config: Folder with the `config.yaml` of the run or evaluation.
        weights: A Hugging Face folder, where that config's own model is not meant.
    """

    config: Path
    weights: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """Claims of one trained policy that want fresh samples.

    Attributes:
        folder: Where `confirmation.json` goes.
        base: The policy before training.
        now: The trained one.
        n: Samples a problem in the evaluation.
        claims: Problems and kinds by set of problems.
    """

    folder: Path
    base: Policy
    now: Policy
    n: int
    claims: Mapping[str, Sequence[tuple[str, Kind]]]


def write_confirmations(folder: Path, found: Mapping[str, Confirmation]) -> None:
    """Leave them in the run's folder, by set of problems."""
    write_whole(folder / FILE_NAME, json.dumps({name: asdict(one) for name, one in found.items()}, indent=1))


def read_confirmations(folder: Path) -> dict[str, Confirmation]:
    """By set of problems; none where no fresh samples were drawn."""
    path = folder / FILE_NAME
    return {name: _read(one) for name, one in json.loads(path.read_text()).items()} if path.is_file() else {}


def _read(document: Mapping[str, Any]) -> Confirmation:
    tempered = [Tempered(one["temperature"], _drawn(one)) for one in document.get("tempered", ())]
    return Confirmation(document["n"], document["samples"], _drawn(document), tuple(tempered))


def _drawn(document: Mapping[str, Any]) -> tuple[Fresh, ...]:
    return tuple(Fresh(**one) for one in document["drawn"])
