"""What an evaluation has found: the file `evaluation.json`."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlvr.eval.bootstrap import bootstrap_mean
from rlvr.eval.evaluation import Counts, Curve, Evaluation, curve_from_json, curves_to_json
from rlvr.eval.pass_at_k import powers_of_two
from rlvr.eval.sampler import Job
from rlvr.eval.store import SampleStore
from rlvr.eval.vote import majority
from rlvr.files import write_whole
from rlvr.step import Row
from rlvr.step.table import prompt_id

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


def outcome_of(job: Job, store: SampleStore, label: str, suite: str) -> Outcome:
    """Put the first n samples of every problem together.

    Args:
        job: What was sampled.
        store: Where; must hold it all.
        label: The policy's name.
        suite: The set's name.
    """
    wanted = {(problem.id, prompt_id(problem)): index for index, problem in enumerate(job.problems)}
    rows_PN: list[dict[int, Row]] = [{} for _ in job.problems]
    for row in store.read(READ):
        index = wanted.get((row["problem_id"], row["prompt_id"]))
        if index is not None and row["sample"] < job.n:
            rows_PN[index][row["sample"]] = row
    samples_PN = [[rows[i] for i in range(job.n)] for rows in rows_PN]
    samples = [row for rows in samples_PN for row in rows]
    right_PN = [[row["status"] == "right" for row in rows] for rows in samples_PN]
    answers_PN = [[row["answer"] for row in rows] for rows in samples_PN]
    return Outcome(
        label=label,
        suite=suite,
        evaluation=Evaluation.of(job.n, list(map(Counts.of, samples_PN))),
        majority={k: bootstrap_mean(majority(answers_PN, right_PN, k)[None]) for k in powers_of_two(job.n)},
        verdicts=dict(Counter(row["status"] for row in samples)),
        max_new_tokens=job.sampling.max_new_tokens,
        temperature=job.sampling.temperature,
        top_p=job.sampling.top_p,
        samples=str(store.folder),
        answered_share=sum(bool(row["answer"]) for row in samples) / len(samples),
    )
