"""Base and trained policy score their own and each other's samples: `cross.json` and a table of samples."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.estimators import IntArray
from rlvr.files import write_whole

FILE_NAME = "cross.json"
SPLIT = "heldout"  # the set of problems that this is of
# Of a problem and a policy: a sixteenth of an evaluation with n = 256. Near the base log p_trained - log p_base has a
# variance of about twice the KL, so that 150 problems with 16 samples know a KL of .5 nats to .02.
SAMPLES = 16
TOP = 0.2  # of the tokens of a completion: those of the largest entropy
# First position of each bin: the first 16 tokens by themselves, then four bins to an octave, for any length.
EDGES = np.array([*range(16), *(2**octave + 2 ** (octave - 2) * part for octave in range(4, 24) for part in range(4))])
SCHEMA = pa.schema(
    [
        ("policy", pa.string()),  # that sampled: base or trained
        ("problem_id", pa.string()),
        ("sample", pa.int32()),  # from 0
        ("right", pa.bool_()),
        ("tokens", pa.int32()),  # of the completion, that the policy wrote
        ("base_logp", pa.float64()),  # natural-log probability of all of them under the base, nats
        ("trained_logp", pa.float64()),  # under the trained policy; null until there is one
        ("entropy", pa.list_(pa.float32())),  # of the policy that sampled, summed over each bin of positions, nats
        ("top_entropy", pa.float64()),  # summed over the tokens of the largest entropy, nats
    ]
)


@dataclass
class CrossRecord:
    """KL(trained || base) along a run.

    Attributes:
        samples: Of a problem, at each evaluation.
        temperature: Of sampling, and what logits are divided by; the whole distribution is meant, without a nucleus.
        problem_ids: P problems, those of the evaluations along the way.
        path: Mean over a problem's samples of log p_trained - log p_base, [P], nats a sequence, by optimizer step.
    """

    samples: int
    temperature: float
    problem_ids: tuple[str, ...]
    path: dict[int, tuple[float, ...]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `cross.json`, whole or not at all."""
        write_whole(folder / FILE_NAME, json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "CrossRecord | None":
        """What `write` wrote; None where it wrote nothing."""
        path = folder / FILE_NAME
        return cls.from_json(json.loads(path.read_text())) if path.is_file() else None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "CrossRecord":
        """Build from `asdict`'s record."""
        path = {int(step): tuple(value_P) for step, value_P in document["path"].items()}
        return cls(document["samples"], document["temperature"], tuple(document["problem_ids"]), path)


@dataclass(frozen=True)
class Crossed:
    """N samples of each of P problems, drawn from one policy and scored under both.

    Attributes:
        right_PN: Whether they are right.
        tokens_PN: Their lengths.
        own_logp_PN: Log-probabilities under the policy that sampled, nats.
        base_logp_PN: Under the base.
        trained_logp_PN: Under the trained policy.
        entropy_PB: Entropies of the policy that sampled, summed over samples, by bin of positions; nats.
        counted_PB: Tokens in each bin.
        top_P: Entropies summed over the `TOP` tokens of each completion whose entropy is largest.
    """

    right_PN: IntArray
    tokens_PN: IntArray
    own_logp_PN: FloatArray
    base_logp_PN: FloatArray
    trained_logp_PN: FloatArray
    entropy_PB: FloatArray
    counted_PB: IntArray
    top_P: FloatArray

    @property
    def kl_P(self) -> FloatArray:
        """KL of the policy that sampled from the other one, [P], nats a sequence: the mean of log p_own - log p_other,
        which is unbiased, and below 0 by chance where the two are nearly the same."""
        other_PN = self.base_logp_PN + self.trained_logp_PN - self.own_logp_PN
        return np.asarray((self.own_logp_PN - other_PN).mean(axis=1))

    def beyond_P(self, n: int) -> IntArray:
        """Right answers [P] that the base gives less than once in n samples on average: log p_base < -log n."""
        return np.asarray((self.right_PN.astype(bool) & (self.base_logp_PN < -np.log(n))).sum(axis=1))


def read_crossed(path: Path) -> dict[str, Crossed]:
    """Of base and trained policy, from the table of a finished run."""
    table = pq.read_table(path)
    policy_R = np.array(table["policy"].to_pylist())
    return {name: crossed_of(table.filter(pa.array(policy_R == name)), name) for name in ("base", "trained")}


def crossed_of(table: pa.Table, policy: str) -> Crossed:
    """One policy's rows, all samples of a problem one after the other."""
    problems = len(set(table["problem_id"].to_pylist()))

    def column(name: str) -> FloatArray:
        return np.asarray(table[name].to_numpy()).reshape(problems, -1)

    tokens_PN = column("tokens").astype(np.int64)
    widths_B = np.diff(EDGES, append=np.iinfo(np.int64).max)
    last = int(np.searchsorted(EDGES, tokens_PN.max(), side="left"))  # bins that anything reaches
    counted_PB = np.clip(tokens_PN[..., None] - EDGES[:last], 0, widths_B[:last]).sum(axis=1)
    return Crossed(
        right_PN=column("right").astype(np.int64),
        tokens_PN=tokens_PN,
        own_logp_PN=column(f"{policy}_logp"),
        base_logp_PN=column("base_logp"),
        trained_logp_PN=column("trained_logp"),
        entropy_PB=_by_problem(table["entropy"], problems, last),
        counted_PB=counted_PB,
        top_P=column("top_entropy").sum(axis=1),
    )


def _by_problem(lists: pa.ChunkedArray, problems: int, bins: int) -> FloatArray:
    """Lists of R = P x N rows, added up by problem and place: [P, bins]."""
    whole = lists.combine_chunks()
    size_R = np.asarray(whole.value_lengths())
    row_V = np.repeat(np.arange(len(size_R)), size_R)
    place_V = np.arange(len(row_V)) - np.repeat(np.cumsum(size_R) - size_R, size_R)
    index_V = row_V // max(len(size_R) // problems, 1) * bins + place_V
    values_V = whole.flatten().to_numpy().astype(np.float64)
    return np.asarray(np.bincount(index_V, values_V, problems * bins), dtype=np.float64).reshape(problems, bins)


def by_position(entropy_T: FloatArray) -> FloatArray:
    """Sums over the bins that T tokens reach."""
    bin_T = np.searchsorted(EDGES, np.arange(len(entropy_T)), side="right") - 1
    return np.asarray(np.bincount(bin_T, entropy_T), dtype=np.float64)


def top_sum(entropy_T: FloatArray) -> float:
    """Sum over the fifth of the tokens whose entropy is largest; of a token that is in it by a part only, that part."""
    most = TOP * len(entropy_T)
    weight_T = np.clip(most - np.arange(len(entropy_T)), 0, 1)
    return float((np.sort(entropy_T)[::-1] * weight_T).sum())
