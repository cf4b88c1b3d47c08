"""What an evaluation has found: the file `evaluation.json`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from rlvr.eval.bootstrap import bootstrap_mean
from rlvr.eval.evaluation import Counts, Curve, Evaluation, curve_from_json, curves_to_json
from rlvr.eval.pass_at_k import powers_of_two
from rlvr.eval.vote import majority
from rlvr.files import write_whole

if TYPE_CHECKING:  # a report reads what is written here, and has no torch
    from rlvr.eval.sampler import Job
    from rlvr.eval.store import SampleStore

FILE_NAME = "evaluation.json"
READ = ("problem_id", "prompt_id", "sample", "status", "answer", "finish", "tokens", "logp")


@dataclass(frozen=True)
class Outcome:
    """One policy on one set of problems.

    Attributes:
        label: The policy's name in tables and figures.
        suite: The set's name.
        evaluation: Counts by problem.
        majority: maj@k with its interval over problems, k in powers of two.
        verdicts: Samples by verdict.
        max_new_tokens: Longest completion allowed.
        temperature: Of sampling.
        top_p: Of sampling.
        samples: Folder with every sample, see `SampleStore`.
        answered_share: Fraction of completions in which the verifier reads a final answer; None in files of before.
    """

    label: str
    suite: str
    evaluation: Evaluation
    majority: Curve
    verdicts: Mapping[str, int]
    max_new_tokens: int
    temperature: float
    top_p: float
    samples: str
    answered_share: float | None = None

    def write(self, folder: Path) -> None:
        """Write `evaluation.json`: what the samples gave, and as `curves` Pass@k and maj@k with intervals."""
        document = asdict(self)
        del document["majority"]
        document["curves"] = curves_to_json({"pass": self.evaluation.intervals(), "majority": self.majority})
        write_whole(folder / FILE_NAME, json.dumps(document, indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Outcome":
        """Read what `write` wrote, also in older versions, whose files hold `majority` by itself."""
        document: dict[str, Any] = json.loads((folder / FILE_NAME).read_text())
        fields = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        fields["evaluation"] = Evaluation.from_json(document["evaluation"])
        fields["majority"] = curve_from_json(document.get("curves", document)["majority"])
        return cls(**fields)


def outcome_of(job: "Job", store: "SampleStore", label: str, suite: str) -> Outcome:
    """Put the first n samples of every problem together.

    Args:
        job: What was sampled.
        store: Where; must hold it all.
        label: The policy's name.
        suite: The set's name.
    """
    table = store.read(READ)
    place_R = job.places(table)
    row_S = np.full(len(job.problems) * job.n, -1)
    row_S[place_R[place_R >= 0]] = np.flatnonzero(place_R >= 0)
    table = table.take(row_S)
    table_P = [table.slice(start, job.n) for start in range(0, len(row_S), job.n)]
    right_PN = [pc.equal(of_problem["status"], "right").to_pylist() for of_problem in table_P]
    answers_PN = [of_problem["answer"].to_pylist() for of_problem in table_P]
    verdicts = pc.value_counts(table["status"]).to_pylist()
    return Outcome(
        label=label,
        suite=suite,
        evaluation=Evaluation.of(job.n, list(map(Counts.of, table_P))),
        majority={k: bootstrap_mean(majority(answers_PN, right_PN, k)[None]) for k in powers_of_two(job.n)},
        verdicts={found["values"]: found["counts"] for found in verdicts},
        max_new_tokens=job.sampling.max_new_tokens,
        temperature=job.sampling.temperature,
        top_p=job.sampling.top_p,
        samples=str(store.folder),
        answered_share=pc.sum(pc.not_equal(table["answer"], "")).as_py() / len(table),
    )
